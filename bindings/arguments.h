#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace millrace {

// Readers of arguments that src/native has already checked; they are safe, and dull, for wrong types.

[[nodiscard]] inline uint32_t Uint(const Napi::Value& value) {
  return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
}

// Codes of 62 bits come as numbers up to 2^53 - 1.
[[nodiscard]] inline uint64_t Uint64(const Napi::Value& value) {
  return value.IsNumber() ? static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()) : 0;
}

[[nodiscard]] inline bool Bool(const Napi::Value& value) {
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

[[nodiscard]] inline std::string Text(const Napi::Value& value) {
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

[[nodiscard]] inline std::vector<std::string> Texts(const Napi::Value& value) {
  std::vector<std::string> texts;
  if (!value.IsArray()) return texts;
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) texts.push_back(Text(array.Get(i)));
  return texts;
}

// The bytes behind a typed array, valid while JavaScript holds it. Works for SharedArrayBuffers too, where
// napi_get_arraybuffer_info does not.
template <typename T>
[[nodiscard]] std::span<T> Elements(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type type = napi_uint8_array;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok)
    return {};
  constexpr bool kWantsBytes = sizeof(T) == 1;
  const bool is_bytes = type == napi_uint8_array;
  const bool is_words = type == napi_int32_array || type == napi_uint32_array;
  if (kWantsBytes ? !is_bytes : !is_words) return {};
  return {static_cast<T*>(data), length};
}

}  // namespace millrace
