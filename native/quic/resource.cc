#include "native/quic/resource.h"

#include <utility>

#include "native/quic/event_port.h"

namespace millrace {

Resource::Resource(Kind kind, Ref<EventPort> port) noexcept : port_(std::move(port)), kind_(kind) {}

Resource::~Resource() = default;

}  // namespace millrace
