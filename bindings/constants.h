#pragma once

#include <napi.h>

namespace millrace {

// Every number that both sides of the boundary know, by TypeScript's names: a test compares them.
[[nodiscard]] Napi::Object Constants(Napi::Env env);

}  // namespace millrace
