#!/usr/bin/env python3
"""Fine-tunes a classifier of texts by VCAS, in the four steps of the original, on GLUE or on files of your own.

    python examples/run_glue.py --model_name_or_path bert-base-cased --task_name sst2 --do_train --do_eval \\
        --per_device_train_batch_size 32 --learning_rate 2e-5 --num_train_epochs 3 --output_dir out
    python examples/run_glue.py --model_name_or_path path/to/model --train_file train.csv --validation_file dev.csv \\
        --do_train --do_eval --output_dir out

The lines marked CHANGES are all that differs from a script that trains by transformers.Trainer. A task of GLUE needs
the package datasets and the network once; files need neither.
"""

import dataclasses
import pathlib

import transformers
from glue_data import TASKS, Labels, Texts, encode, metrics_of, read_file, read_glue
from transformers import AutoModelForSequenceClassification, AutoTokenizer, HfArgumentParser, TrainingArguments
from vcas import VcasModelProcessor, VcasSampleArguments, VcasSampleScheme, VcasTrainer

# The class of a model's blocks, by its architecture.
BLOCKS = {
    "bert": transformers.BertLayer,
    "roberta": transformers.models.roberta.modeling_roberta.RobertaLayer,
    "electra": transformers.models.electra.modeling_electra.ElectraLayer,
    "distilbert": transformers.models.distilbert.modeling_distilbert.TransformerBlock,
}


@dataclasses.dataclass
class ModelArguments:
    model_name_or_path: str = dataclasses.field(metadata={"help": "A folder, or a name on the Hugging Face hub."})


@dataclasses.dataclass
class DataArguments:
    task_name: str | None = dataclasses.field(default=None, metadata={"help": "Of GLUE: " + ", ".join(TASKS)})
    train_file: str | None = dataclasses.field(default=None, metadata={"help": "CSV, TSV or JSONL."})
    validation_file: str | None = dataclasses.field(default=None, metadata={"help": "CSV, TSV or JSONL."})
    test_file: str | None = dataclasses.field(default=None, metadata={"help": "CSV, TSV or JSONL, for --do_predict."})
    max_seq_length: int = dataclasses.field(default=128, metadata={"help": "Tokens of a text; the rest is cut off."})
    max_train_samples: int | None = dataclasses.field(default=None, metadata={"help": "Only so many texts."})
    max_eval_samples: int | None = dataclasses.field(default=None, metadata={"help": "Only so many texts."})

    def __post_init__(self) -> None:
        if self.task_name is not None and self.task_name not in TASKS:
            raise ValueError(f"task_name: expected one of {', '.join(TASKS)}, got {self.task_name}")
        if self.task_name is None and self.train_file is None:
            raise ValueError("expected --task_name, or --train_file and what else --do_eval and --do_predict need")


def read(data: DataArguments) -> dict[str, Texts]:
    """The parts that there are, by name."""
    if data.task_name is not None:
        return read_glue(data.task_name)
    files = {"train": data.train_file, "validation": data.validation_file, "test": data.test_file}
    return {name: read_file(path) for name, path in files.items() if path is not None}


def write_predictions(path: pathlib.Path, trainer: VcasTrainer, test: list[dict[str, object]], labels: Labels) -> None:
    unlabelled = [{name: value for name, value in features.items() if name != "labels"} for features in test]
    outputs = trainer.predict(unlabelled).predictions
    shown = [f"{row[0]:.3f}" if labels.is_regression else labels.names[row.argmax()] for row in outputs]
    if trainer.is_world_process_zero():
        path.write_text("index\tprediction\n" + "".join(f"{i}\t{value}\n" for i, value in enumerate(shown)))


def main() -> None:
    # CHANGES #1: VcasSampleArguments among the arguments
    parser = HfArgumentParser((ModelArguments, DataArguments, TrainingArguments, VcasSampleArguments))
    model_args, data, training_args, sample_args = parser.parse_args_into_dataclasses()
    transformers.set_seed(training_args.seed)

    parts = read(data)
    labels = Labels(parts["train"].labels or [])
    model = AutoModelForSequenceClassification.from_pretrained(
        model_args.model_name_or_path,
        num_labels=max(len(labels.names), 1),
        id2label=dict(enumerate(labels.names)) or None,
        label2id={name: i for i, name in enumerate(labels.names)} or None,
        problem_type="regression" if labels.is_regression else "single_label_classification",
    )
    tokenizer = AutoTokenizer.from_pretrained(model_args.model_name_or_path)

    def features(name: str, limit: int | None = None) -> list[dict[str, object]]:
        if name not in parts:
            raise SystemExit(f"run_glue: expected --{name}_file")
        return encode(parts[name], labels, tokenizer, data.max_seq_length, limit)

    # CHANGES #2: the scheme, from the arguments
    sample_scheme = VcasSampleScheme(sample_args)

    # CHANGES #3: the model's blocks sample their backward pass
    VcasModelProcessor(model, BLOCKS[model.config.model_type], sample_scheme).process()

    # CHANGES #4: VcasTrainer instead of Trainer
    trainer = VcasTrainer(
        model=model,
        sample_scheme=sample_scheme,
        args=training_args,
        train_dataset=features("train", data.max_train_samples) if training_args.do_train else None,
        eval_dataset=features("validation", data.max_eval_samples) if training_args.do_eval else None,
        compute_metrics=metrics_of(data.task_name, labels.is_regression),
        processing_class=tokenizer,
    )

    if training_args.do_train:
        result = trainer.train(resume_from_checkpoint=training_args.resume_from_checkpoint)
        trainer.save_model()
        trainer.log_metrics("train", result.metrics)
        trainer.save_metrics("train", result.metrics)
        trainer.save_state()
    if training_args.do_eval:
        metrics = trainer.evaluate()
        trainer.log_metrics("eval", metrics)
        trainer.save_metrics("eval", metrics)
    if training_args.do_predict:
        output = pathlib.Path(training_args.output_dir) / "predict_results.txt"
        write_predictions(output, trainer, features("test"), labels)


if __name__ == "__main__":
    main()
