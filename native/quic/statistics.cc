#include "native/quic/statistics.h"

#include "native/quic/library.h"

namespace millrace {
namespace {

using Source = QUIC_STATISTICS_V2;

// From the first packet to a moment of the handshake; 0 until that has come.
uint64_t Since(uint64_t start, uint64_t moment) noexcept {
  return moment > start ? moment - start : 0;
}

constexpr std::array<StatisticField, kStatisticCount> kFields = {{
    {"roundTripUs", [](const Source& s) -> uint64_t { return s.Rtt; }},
    {"minRoundTripUs", [](const Source& s) -> uint64_t { return s.MinRtt; }},
    {"maxRoundTripUs", [](const Source& s) -> uint64_t { return s.MaxRtt; }},
    {"roundTripVarianceUs", [](const Source& s) -> uint64_t { return s.RttVariance; }},
    {"initialFlightUs", [](const Source& s) { return Since(s.TimingStart, s.TimingInitialFlightEnd); }},
    {"handshakeUs", [](const Source& s) { return Since(s.TimingStart, s.TimingHandshakeFlightEnd); }},
    {"handshakeClientFirstBytes", [](const Source& s) -> uint64_t { return s.HandshakeClientFlight1Bytes; }},
    {"handshakeServerBytes", [](const Source& s) -> uint64_t { return s.HandshakeServerFlight1Bytes; }},
    {"handshakeClientLastBytes", [](const Source& s) -> uint64_t { return s.HandshakeClientFlight2Bytes; }},
    {"versionNegotiated", [](const Source& s) -> uint64_t { return s.VersionNegotiation; }},
    {"retried", [](const Source& s) -> uint64_t { return s.StatelessRetry; }},
    {"resumed", [](const Source& s) -> uint64_t { return s.ResumptionSucceeded; }},
    {"mtuBytes", [](const Source& s) -> uint64_t { return s.SendPathMtu; }},
    {"congestionWindowBytes", [](const Source& s) -> uint64_t { return s.SendCongestionWindow; }},
    {"congestionEvents", [](const Source& s) -> uint64_t { return s.SendCongestionCount; }},
    {"persistentCongestionEvents",
     [](const Source& s) -> uint64_t { return s.SendPersistentCongestionCount; }},
    {"packetsSent", [](const Source& s) { return s.SendTotalPackets; }},
    {"retransmittablePacketsSent", [](const Source& s) { return s.SendRetransmittablePackets; }},
    {"packetsSuspectedLost", [](const Source& s) { return s.SendSuspectedLostPackets; }},
    {"packetsSpuriouslyLost", [](const Source& s) { return s.SendSpuriousLostPackets; }},
    {"bytesSent", [](const Source& s) { return s.SendTotalBytes; }},
    {"streamBytesSent", [](const Source& s) { return s.SendTotalStreamBytes; }},
    {"packetsReceived", [](const Source& s) { return s.RecvTotalPackets; }},
    {"packetsReordered", [](const Source& s) { return s.RecvReorderedPackets; }},
    {"packetsDropped", [](const Source& s) { return s.RecvDroppedPackets; }},
    {"packetsDuplicated", [](const Source& s) { return s.RecvDuplicatePackets; }},
    {"packetsUndecryptable", [](const Source& s) { return s.RecvDecryptionFailures; }},
    {"bytesReceived", [](const Source& s) { return s.RecvTotalBytes; }},
    {"streamBytesReceived", [](const Source& s) { return s.RecvTotalStreamBytes; }},
    {"acknowledgementsReceived", [](const Source& s) { return s.RecvValidAckFrames; }},
    {"keyUpdates", [](const Source& s) -> uint64_t { return s.KeyUpdateCount; }},
    {"peerIdChanges", [](const Source& s) -> uint64_t { return s.DestCidUpdateCount; }},
}};

}  // namespace

std::span<const StatisticField, kStatisticCount> StatisticFields() noexcept {
  return kFields;
}

bool ReadStatistics(HQUIC connection, Statistics* statistics) noexcept {
  QUIC_STATISTICS_V2 source{};
  uint32_t bytes = sizeof(source);
  if (QUIC_FAILED(Api().GetParam(connection, QUIC_PARAM_CONN_STATISTICS_V2, &bytes, &source))) return false;
  for (size_t i = 0; i < kStatisticCount; ++i) (*statistics)[i] = kFields[i].of(source);
  return true;
}

}  // namespace millrace
