#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::bench {

/** Command-line flags of the form `--name value`. A wrong one ends the program with status 2. */
class Options {
 public:
  Options(int argc, char** argv);

  std::string Text(std::string_view name, std::string_view fallback);
  uint32_t Number(std::string_view name, uint32_t fallback, uint32_t low, uint32_t high);
  /** Hexadecimal; empty where the flag is not given. */
  std::vector<uint8_t> Bytes(std::string_view name);
  /** @param name of the flag whose value the hexadecimal text is, or a part of. */
  static std::vector<uint8_t> ParseBytes(std::string_view name, const std::string& text);
  /** Call after the last flag was read: refuses those that nobody asked for. */
  void RefuseOthers() const;

 private:
  struct Flag {
    std::string name;
    std::string value;
    bool used = false;
  };

  const std::string* Find(std::string_view name);

  std::vector<Flag> flags_;
};

}  // namespace millrace::bench
