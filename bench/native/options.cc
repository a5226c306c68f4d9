#include "bench/native/options.h"

#include <cstdio>
#include <cstdlib>

namespace millrace::bench {

namespace {

[[noreturn]] void Refuse(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(2);
}

}  // namespace

Options::Options(int argc, char** argv) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--") || i + 1 >= argc) Refuse("expected --name value, got " + std::string(name));
    flags_.push_back({std::string(name.substr(2)), argv[i + 1]});
  }
}

const std::string* Options::Find(std::string_view name) {
  for (Flag& flag : flags_) {
    if (flag.name != name) continue;
    flag.used = true;
    return &flag.value;
  }
  return nullptr;
}

std::string Options::Text(std::string_view name, std::string_view fallback) {
  const std::string* value = Find(name);
  return value ? *value : std::string(fallback);
}

uint32_t Options::Number(std::string_view name, uint32_t fallback, uint32_t low, uint32_t high) {
  const std::string* text = Find(name);
  if (!text) return fallback;
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text->c_str(), &end, 10);
  if (text->empty() || *end != '\0' || value < low || value > high) {
    Refuse("--" + std::string(name) + " must be " + std::to_string(low) + ".." + std::to_string(high));
  }
  return static_cast<uint32_t>(value);
}

std::vector<uint8_t> Options::Bytes(std::string_view name) {
  return ParseBytes(name, Text(name, ""));
}

std::vector<uint8_t> Options::ParseBytes(std::string_view name, const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    char* end = nullptr;
    const std::string digits = text.substr(i, 2);
    bytes.push_back(static_cast<uint8_t>(std::strtoul(digits.c_str(), &end, 16)));
    if (*end != '\0') Refuse("--" + std::string(name) + " must be hexadecimal");
  }
  if (bytes.size() * 2 != text.size())
    Refuse("--" + std::string(name) + " must be whole bytes in hexadecimal");
  return bytes;
}

void Options::RefuseOthers() const {
  for (const Flag& flag : flags_) {
    if (!flag.used) Refuse("unknown flag --" + flag.name);
  }
}

}  // namespace millrace::bench
