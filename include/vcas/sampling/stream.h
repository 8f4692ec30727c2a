#pragma once

#include <array>
#include <cstdint>

namespace vcas::sampling {

/// What a random number decides. One value for every place that draws, never renumbered: a resumed run
/// must draw the same numbers.
enum class Site : uint32_t {
  sample_activation = 0,  ///< SampleA at a block's output
  sample_weight = 1,      ///< SampleW of the weights of a block: StreamKey::weight
  embedding_dropout = 16,
  attention_dropout = 17,
  attention_output_dropout = 18,
  feed_forward_dropout = 19,
  pooler_dropout = 20,
  draw_replay = 21,       ///< the controller's replay of SampleA on recorded norms
  sample_selection = 22,  ///< which samples of a batch go backward at all (SB, UB)
};

/// Names one stream of random numbers. Key and counter of Philox 4x32-10 are laid out once, here:
///   key     = seed (64 bit)
///   counter = [ column block | row | micro_batch | layer:9 site:5 index:10 draw:8 ]
/// where row and column block are what the stream is indexed by. Entry e of a draw owns columns 2e and 2e + 1
/// of row 0 (64 bits, the lower column above the higher one); what a draw needs once comes from kDrawBlock. A
/// dropout mask is indexed by the row of the uncompacted batch and the column; attention's column is head <<
/// 18 | key position. A block is four consecutive columns, one Philox call.
struct StreamKey {
  /// Column block of the one uniform number of a systematic draw; entries never reach it.
  static constexpr uint32_t kDrawBlock = 0xFFFFFFFFu;

  uint64_t seed = 0;
  uint32_t micro_batch = 0;
  uint32_t layer = 0;  ///< < 512; block nearest the input is 0
  uint32_t index = 0;  ///< < 1024; which of several things a site draws, 0 where it draws one
  uint32_t draw = 0;   ///< < 256; 0 for dropout and for the training pass
  Site site = Site::sample_activation;

  /// The stream of another site, all else equal.
  constexpr StreamKey at(Site other) const {
    StreamKey stream = *this;
    stream.site = other;
    return stream;
  }

  /// The stream of SampleW for weight i of a block, all else equal: the sites 1 to 15, the last of which
  /// numbers what is left by its index.
  /// @throws std::out_of_range "stream: expected a weight below 1038, got 2000".
  StreamKey weight(int64_t i) const;

  std::array<uint32_t, 2> philox_key() const;
  /// Last two words of the counter: [micro_batch, layer|site|index|draw].
  /// @throws std::out_of_range when a field exceeds its bits.
  std::array<uint32_t, 2> philox_counter_high() const;
};

}  // namespace vcas::sampling
