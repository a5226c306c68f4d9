#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace millrace {

struct CorpusFrame {
  std::string name;  // without ".bin"
  std::vector<uint8_t> bytes;
};

// The frames of test/corpus/frames/valid or /hostile, by name.
inline std::vector<CorpusFrame> ReadCorpus(const std::string& folder) {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "../corpus/frames" / folder;
  std::vector<CorpusFrame> frames;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    std::ifstream file(entry.path(), std::ios::binary);
    frames.push_back({entry.path().stem().string(), {std::istreambuf_iterator<char>(file), {}}});
  }
  std::sort(frames.begin(), frames.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return frames;
}

}  // namespace millrace
