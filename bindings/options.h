#pragma once

#include <napi.h>

#include <optional>

#include "native/memory/ref_counted.h"
#include "native/quic/admission.h"
#include "native/quic/configuration.h"
#include "native/quic/connection_options.h"
#include "native/quic/engine_settings.h"
#include "native/quic/resumption.h"

namespace millrace {

// The option objects of src/native/environment.ts. JS thread.
[[nodiscard]] Ref<ConnectionOptions> ReadConnectionOptions(const Napi::Value& value);
[[nodiscard]] std::optional<Resumption::Options> ReadResumption(const Napi::Value& value);
[[nodiscard]] Configuration::Options ReadConfiguration(const Napi::Value& value);
[[nodiscard]] AdmissionLimits ReadAdmissionLimits(const Napi::Value& value);
[[nodiscard]] EngineSettings ReadEngineSettings(const Napi::Value& value);

}  // namespace millrace
