# Files of msquic with a few lines changed, which the addon links in front of the archive's:
# docs/decisions/msquic-patches.md says why. A line that is not there any more stops the build.
set(_patched_dir "${CMAKE_CURRENT_BINARY_DIR}/msquic")

function(replace_once what with)
  string(FIND "${_text}" "${what}" _first)
  string(FIND "${_text}" "${what}" _last REVERSE)
  if(_first EQUAL -1 OR NOT _first EQUAL _last)
    message(FATAL_ERROR "msquic's source is not the one that is known here: \"${what}\"")
  endif()
  string(REPLACE "${what}" "${with}" _text "${_text}")
  set(_text "${_text}" PARENT_SCOPE)
endfunction()

function(write_patched name)
  # A semicolon would part a CMake list, so replacements write it so.
  string(REPLACE "$<SEMICOLON>" ";" _text "${_text}")
  file(WRITE "${_patched_dir}/${name}.new" "${_text}")
  execute_process(COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${_patched_dir}/${name}.new" "${_patched_dir}/${name}")
endfunction()

# A connection's stream table begins with 8 buckets instead of 128: 128 bytes instead of 2 KB. 2^20 - 1 times 8
# buckets are as many at the most as before. The callers, compiled into the archive, ask for 128.
file(READ "${MSQUIC_OUT}/upstream/src/platform/hashtable.c" _text)
replace_once("#define HT_FIRST_LEVEL_DIR_SIZE   16" "#define HT_FIRST_LEVEL_DIR_SIZE   20")
replace_once("#define HT_SECOND_LEVEL_DIR_SHIFT  7" "#define HT_SECOND_LEVEL_DIR_SHIFT  3")
replace_once("    CXPLAT_HASH_MIN_SIZE == BASE_HASH_TABLE_SIZE," "    CXPLAT_HASH_MIN_SIZE > BASE_HASH_TABLE_SIZE,")
replace_once("    // Initial size must be a power of two and within the allowed range.\n    //\n"
             "    // Initial size must be a power of two and within the allowed range.\n    //\n    InitialSize = InitialSize == CXPLAT_HASH_MIN_SIZE ? BASE_HASH_TABLE_SIZE : InitialSize$<SEMICOLON>\n")
write_patched(hashtable.c)

# A blocked peer is told its limit again only where it does not know it. Otherwise two msquics whose reader has
# paused answer each other without an end, as fast as the network can.
file(READ "${MSQUIC_OUT}/upstream/src/core/stream_recv.c" _text)
replace_once("            Frame.StreamDataLimit);\n\n        QuicSendSetStreamSendFlag("
             "            Frame.StreamDataLimit)$<SEMICOLON>\n\n        if (Frame.StreamDataLimit < Stream->MaxAllowedRecvOffset) QuicSendSetStreamSendFlag(")
write_patched(stream_recv.c)

# A sender that is still blocked says so again when the last time was acknowledged; not when the acknowledgement
# came on the back of the peer's own complaint, for two that block each other would do nothing else.
file(READ "${MSQUIC_OUT}/upstream/src/core/loss_detection.c" _text)
replace_once("STREAM_DATA_BLOCKED.Stream->OutFlowBlockedReasons &\n                QUIC_FLOW_BLOCKED_STREAM_FLOW_CONTROL) {"
             "STREAM_DATA_BLOCKED.Stream->OutFlowBlockedReasons &\n                QUIC_FLOW_BLOCKED_STREAM_FLOW_CONTROL &&\n                CxPlatTimeDiff64(Packet->SentTime, CxPlatTimeUs64()) >= MS_TO_US(10)) {")

# A packet belongs to the path it was sent on, which msquic looks up and never writes down: on every path but the
# first the round trip was not measured, nor a larger MTU found. What was lost with a former path says nothing of
# the congestion on this one (RFC 9000 section 9.4).
replace_once("    LossDetection->LargestSentPacketNumber = TempSentPacket->PacketNumber;"
             "    SentPacket->PathId = Path->ID$<SEMICOLON>
    LossDetection->LargestSentPacketNumber = TempSentPacket->PacketNumber$<SEMICOLON>")
replace_once("    uint32_t LostRetransmittableBytes = 0;\n    QUIC_SENT_PACKET_METADATA* Packet;"
             "    uint32_t LostRetransmittableBytes = 0$<SEMICOLON>
    uint32_t FormerPathBytes = 0$<SEMICOLON>
    BOOLEAN LostLarge = FALSE$<SEMICOLON>
    QUIC_SENT_PACKET_METADATA* Packet$<SEMICOLON>")
replace_once("                LostRetransmittableBytes += Packet->PacketLength;\n                QuicLossDetectionRetransmitFrames"
             "                if (Packet->PathId != Connection->Paths[0].ID) {
                    FormerPathBytes += Packet->PacketLength$<SEMICOLON>
                } else {
                    LostRetransmittableBytes += Packet->PacketLength$<SEMICOLON>
                    LostLarge |= QuicLossDetectionIsLarge(Connection, Packet)$<SEMICOLON>
                }
                QuicLossDetectionRetransmitFrames")
replace_once("        if (LostRetransmittableBytes > 0) {\n            if (LossDetection->ProbeCount"
             "        if (LostLarge) QuicLossDetectionSuspectMtu(Connection)$<SEMICOLON>
        if (FormerPathBytes > 0) {
            (void)QuicCongestionControlOnDataInvalidated(&Connection->CongestionControl, FormerPathBytes)$<SEMICOLON>
            QuicSendQueueFlush(&Connection->Send, REASON_LOSS)$<SEMICOLON>
        }
        if (LostRetransmittableBytes > 0) {\n            if (LossDetection->ProbeCount")
replace_once("    return LostRetransmittableBytes > 0;" "    return LostRetransmittableBytes + FormerPathBytes > 0$<SEMICOLON>")

# Acknowledgements count as well towards the three times that an address which is not validated is sent (RFC 9000
# section 8.1).
replace_once("        if (!Path->IsPeerValidated) {
            QuicPathDecrementAllowance(
                Connection, Path, SentPacket->PacketLength);
        }\n\n        QuicCongestionControlOnDataSent("
             "        QuicCongestionControlOnDataSent(")
replace_once("    Connection->Stats.Send.TotalPackets++;\n    Connection->Stats.Send.TotalBytes"
             "    if (!Path->IsPeerValidated) QuicPathDecrementAllowance(Connection, Path, SentPacket->PacketLength)$<SEMICOLON>
    Connection->Stats.Send.TotalPackets++$<SEMICOLON>\n    Connection->Stats.Send.TotalBytes")

# A path whose MTU has shrunk swallows large packets in silence, and msquic would send them until it gives up. When
# large packets were lost, or went unanswered, three times in a row and none was acknowledged in between, the path
# goes back to the smallest size and searches again (RFC 8899 section 4.3). The search's `ProbeCount`, of no use
# while none is going on, counts; during one it is the probes of loss detection that do.
replace_once("//\n// Marks all the frames in the packet that can be retransmitted"
             "static BOOLEAN QuicLossDetectionIsLarge(const QUIC_CONNECTION* Connection, const QUIC_SENT_PACKET_METADATA* Packet) {
    return !Packet->Flags.IsMtuProbe && PacketSizeFromUdpPayloadSize(
        QuicAddrGetFamily(&Connection->Paths[0].Route.RemoteAddress), Packet->PacketLength) > Connection->Settings.MinimumMtu$<SEMICOLON>
}

static void QuicLossDetectionSuspectMtu(QUIC_CONNECTION* Connection) {
    QUIC_PATH* Path = &Connection->Paths[0]$<SEMICOLON>
    QUIC_MTU_DISCOVERY* Search = &Path->MtuDiscovery$<SEMICOLON>
    if (Path->Mtu <= Connection->Settings.MinimumMtu) return$<SEMICOLON>
    if ((Search->IsSearchComplete ? ++Search->ProbeCount : Connection->LossDetection.ProbeCount) < 3) return$<SEMICOLON>
    Path->Mtu = Connection->Settings.MinimumMtu$<SEMICOLON>
    Search->HasProbed1500 = FALSE$<SEMICOLON>
    QuicMtuDiscoveryMoveToSearching(Search, Connection)$<SEMICOLON>
    QuicDatagramOnSendStateChanged(&Connection->Datagram)$<SEMICOLON>
}

//\n// Marks all the frames in the packet that can be retransmitted")
replace_once("        BOOLEAN ChangedMtu = FALSE;"
             "        BOOLEAN ChangedMtu = FALSE$<SEMICOLON>
        if (PacketMtu > Connection->Settings.MinimumMtu && Path->MtuDiscovery.IsSearchComplete) {
            Path->MtuDiscovery.ProbeCount = 0$<SEMICOLON>
        }")
replace_once("    LossDetection->ProbeCount++;"
             "    LossDetection->ProbeCount++$<SEMICOLON>
    // Any of them, not the oldest: before the large packets there may be an acknowledgement, which nobody acknowledges.
    for (const QUIC_SENT_PACKET_METADATA* Sent = LossDetection->SentPackets$<SEMICOLON> Sent != NULL$<SEMICOLON> Sent = Sent->Next) {
        if (!QuicLossDetectionIsLarge(Connection, Sent)) continue$<SEMICOLON>
        QuicLossDetectionSuspectMtu(Connection)$<SEMICOLON>
        break$<SEMICOLON>
    }")
write_patched(loss_detection.c)

# Whoever accepts a connection is told what datagrams the peer takes. The peer's transport parameters are read just
# before there is anybody to tell.
file(READ "${MSQUIC_OUT}/upstream/src/core/listener.c" _text)
replace_once("    if (!Connection->State.ShutdownComplete) {\n        Connection->State.UpdateWorker = TRUE"
             "    if (!Connection->State.HandleClosed) {\n        Connection->Datagram.MaxSendLength = UINT16_MAX$<SEMICOLON>\n        QuicDatagramOnSendStateChanged(&Connection->Datagram)$<SEMICOLON>\n    }\n\n    if (!Connection->State.ShutdownComplete) {\n        Connection->State.UpdateWorker = TRUE")
write_patched(listener.c)

# The reason of a close is set before the close, which keeps it: set behind it, it came too late at times.
file(READ "${MSQUIC_OUT}/upstream/src/core/connection.c" _text)
replace_once("        if (Connection->CloseReasonPhrase != NULL) {\n            CXPLAT_FREE(Connection->CloseReasonPhrase, QUIC_POOL_CLOSE_REASON);\n            Connection->CloseReasonPhrase = NULL"
             "        if (Connection->CloseReasonPhrase != NULL && (ClosedRemotely || !(Flags & QUIC_CLOSE_APPLICATION))) {\n            CXPLAT_FREE(Connection->CloseReasonPhrase, QUIC_POOL_CLOSE_REASON)$<SEMICOLON>\n            Connection->CloseReasonPhrase = NULL")
# Whoever takes another connection id for a peer who has moved has begun the change: otherwise both sides answer each
# other with one more until none is left. When a peer moves faster than it is asked for more ids, that of a path
# which was given up is used again: RFC 9000 section 9.5 allows it, and without one nobody could ask.
replace_once("                if (NewDestCid == NULL) {
                    QuicTraceEvent("
             "                for (CXPLAT_LIST_ENTRY* Entry = Connection->DestCids.Flink$<SEMICOLON>
                     NewDestCid == NULL && Entry != &Connection->DestCids$<SEMICOLON> Entry = Entry->Flink) {
                    QUIC_CID_LIST_ENTRY* Cid = CXPLAT_CONTAINING_RECORD(Entry, QUIC_CID_LIST_ENTRY, Link)$<SEMICOLON>
                    BOOLEAN InUse = Cid->CID.Retired$<SEMICOLON>
                    for (uint8_t i = 0$<SEMICOLON> i < Connection->PathsCount$<SEMICOLON> ++i) InUse |= Connection->Paths[i].DestCid == Cid$<SEMICOLON>
                    if (!InUse) NewDestCid = Cid$<SEMICOLON>
                }
                if (NewDestCid == NULL) {
                    QuicTraceEvent(")
replace_once("                (*Path)->DestCid = NewDestCid;"
             "                (*Path)->DestCid = NewDestCid$<SEMICOLON>
                (*Path)->InitiatedCidUpdate = !PeerUpdatedCid$<SEMICOLON>")
# A client that moves takes another connection id in the same step, before anything is sent with the one from the
# other address (RFC 9000 section 9.5).
replace_once("        Connection->State.LocalAddressSet = TRUE;
        CxPlatCopyMemory(&Connection->Paths[0].Route.LocalAddress, Buffer, sizeof(QUIC_ADDR));"
             "        if (Connection->State.Started) {
            if (!QuicConnRetireCurrentDestCid(Connection, &Connection->Paths[0])) {
                Status = QUIC_STATUS_INVALID_STATE$<SEMICOLON>
                break$<SEMICOLON>
            }
            Connection->Paths[0].InitiatedCidUpdate = TRUE$<SEMICOLON>
        }
        Connection->State.LocalAddressSet = TRUE$<SEMICOLON>
        CxPlatCopyMemory(&Connection->Paths[0].Route.LocalAddress, Buffer, sizeof(QUIC_ADDR))$<SEMICOLON>")
# A packet's path is looked up again when those before it have made another path the active one, which swaps their
# places: it counted for the allowance of an address that it did not come from.
replace_once("                BatchCount = 0;
            }
            CurrentPath = DatagramPath;"
             "                BatchCount = 0$<SEMICOLON>
                DatagramPath = QuicConnGetPathForPacket(Connection, Packet)$<SEMICOLON>
                if (DatagramPath == NULL) goto Drop$<SEMICOLON>
            }
            CurrentPath = DatagramPath$<SEMICOLON>")
# A challenge is repeated until its path is decided, at doubling intervals from a probe timeout on: the timer that loss
# detection has is off while an address that is not validated may be sent nothing more, which is when it matters.
replace_once("        const uint64_t Deadline =
            Path->PathValidationStartTime + QuicConnPathValidationTimeoutUs(Connection, Path);"
             "        const uint64_t Repeat =
            CXPLAT_MAX(
                QuicLossDetectionComputeProbeTimeout(&Connection->LossDetection, Path, 1),
                CxPlatTimeDiff64(Path->PathValidationStartTime, TimeNow))$<SEMICOLON>
        const uint64_t Deadline =
            CXPLAT_MIN(
                TimeNow + Repeat,
                Path->PathValidationStartTime + QuicConnPathValidationTimeoutUs(Connection, Path) + 1)$<SEMICOLON>")
replace_once("        if (CxPlatTimeDiff64(Path->PathValidationStartTime, TimeNow) <= Timeout) {
            ++i;"
             "        if (CxPlatTimeDiff64(Path->PathValidationStartTime, TimeNow) <= Timeout) {
            Path->SendChallenge = TRUE$<SEMICOLON>
            (void)QuicSendSetSendFlag(&Connection->Send, QUIC_CONN_SEND_FLAG_PATH_CHALLENGE)$<SEMICOLON>
            ++i$<SEMICOLON>")
# The last address that was validated is what a connection goes back to when a new one does not answer (RFC 9000 section
# 9.3.2), so it stays until that is decided, and is not given up when it is all there is: whether anybody is still there
# is for loss detection to find. Its allowance has no limit.
replace_once("        QuicTraceEvent(
            ConnPathValidationTimeout,"
             "        BOOLEAN WasValidated = Path->Allowance == UINT32_MAX$<SEMICOLON>
        BOOLEAN OtherValidated = FALSE$<SEMICOLON>
        for (uint8_t j = 0$<SEMICOLON> j < Connection->PathsCount$<SEMICOLON> ++j) OtherValidated |= Connection->Paths[j].IsPeerValidated$<SEMICOLON>
        if (WasValidated && !OtherValidated) {
            if (i == 0) {
                QuicPathSetValid(Connection, Path, QUIC_PATH_VALID_HANDSHAKE_PACKET)$<SEMICOLON>
            } else {
                Path->PathValidationStartTime = TimeNow$<SEMICOLON>
            }
            ++i$<SEMICOLON>
            continue$<SEMICOLON>
        }

        QuicTraceEvent(
            ConnPathValidationTimeout,")
# Whoever wants new keys before the last ones are confirmed asks for that: on an idle connection nothing else is sent for
# the peer to acknowledge.
replace_once("AwaitingKeyPhaseConfirmation ||
            !Connection->State.HandshakeConfirmed) {"
             "AwaitingKeyPhaseConfirmation ||
            !Connection->State.HandshakeConfirmed) {
            if (Connection->State.HandshakeConfirmed && Connection->LossDetection.PacketsInFlight == 0) {
                (void)QuicSendSetSendFlag(&Connection->Send, QUIC_CONN_SEND_FLAG_PING)$<SEMICOLON>
            }")
# A ticket that msquic itself finds unfit (the server's windows have become smaller, say) costs a full handshake. Before,
# the handshake waited for ever for the application's word on a ticket that it was never asked about.
replace_once("    QuicCryptoTlsCleanupTransportParameters(&ResumedTP);\n    return ResumptionAccepted;\n"
             "    if (!ResumptionAccepted) Connection->Crypto.TicketValidationPending = FALSE$<SEMICOLON>\n    QuicCryptoTlsCleanupTransportParameters(&ResumedTP)$<SEMICOLON>\n    return ResumptionAccepted$<SEMICOLON>\n")
# A packet of datagrams alone is acknowledged with what is sent next, or when eight wait, or after the usual delay at the
# latest: nothing is sent again for want of it (RFC 9221 section 5.2).
replace_once("    BOOLEAN AckEliciting = FALSE;\n    BOOLEAN AckImmediately = FALSE;"
             "    BOOLEAN AckEliciting = FALSE$<SEMICOLON>\n    BOOLEAN HasDatagrams = FALSE$<SEMICOLON>\n    BOOLEAN AckImmediately = FALSE$<SEMICOLON>")
replace_once("                    \"Decoding DATAGRAM frame\");
                QuicConnTransportError(Connection, QUIC_ERROR_FRAME_ENCODING_ERROR);
                return FALSE;
            }
            AckEliciting = TRUE;"
             "                    \"Decoding DATAGRAM frame\")$<SEMICOLON>
                QuicConnTransportError(Connection, QUIC_ERROR_FRAME_ENCODING_ERROR)$<SEMICOLON>
                return FALSE$<SEMICOLON>
            }
            HasDatagrams = TRUE$<SEMICOLON>")
replace_once("        QUIC_ACK_TYPE AckType;\n        if (AckImmediately) {"
             "        const uint8_t PacketTolerance = Connection->PacketTolerance$<SEMICOLON>
        if (HasDatagrams && !AckEliciting) Connection->PacketTolerance = CXPLAT_MAX(PacketTolerance, 8)$<SEMICOLON>
        QUIC_ACK_TYPE AckType$<SEMICOLON>\n        if (AckImmediately) {")
replace_once("        } else if (AckEliciting) {\n            AckType = QUIC_ACK_TYPE_ACK_ELICITING;"
             "        } else if (AckEliciting || HasDatagrams) {\n            AckType = QUIC_ACK_TYPE_ACK_ELICITING$<SEMICOLON>")
replace_once("            RecvTime,
            ECN,
            AckType);
    }"
             "            RecvTime,
            ECN,
            AckType)$<SEMICOLON>
        Connection->PacketTolerance = PacketTolerance$<SEMICOLON>
    }")
write_patched(connection.c)

# A client that has moved discards what still comes to its last address, as RFC 9000 section 9 wants it: msquic
# takes it for a move of the server's, goes back to a socket that is closed, and aborts. A path that is given up
# gives its connection id back, and makes room for the next: otherwise the fourth move of a peer is the last. Going
# back to the last validated path is told as a move, too. A path without a limit keeps none while it is challenged
# again: adding to it began again at zero.
file(READ "${MSQUIC_OUT}/upstream/src/core/path.c" _text)
replace_once("    if (Connection->PathsCount == QUIC_MAX_PATH_COUNT) {\n        //\n        // See if"
             "    if (QuicConnIsClient(Connection)) return NULL$<SEMICOLON>
    for (int i = Connection->PathsCount - 1$<SEMICOLON> i > 0 && Connection->PathsCount > 2 && Connection->Paths[0].IsPeerValidated$<SEMICOLON> i--) {
        QuicPathRemove(Connection, (uint8_t)i)$<SEMICOLON>
    }

    if (Connection->PathsCount == QUIC_MAX_PATH_COUNT) {\n        //\n        // See if")
replace_once("    Path->Allowance = NewAllowance;"
             "    if (Path->Allowance > UINT32_MAX / 2) NewAllowance = UINT32_MAX$<SEMICOLON>
    Path->Allowance = NewAllowance$<SEMICOLON>")
replace_once("        Index = FallbackIndex;"
             "        Index = FallbackIndex$<SEMICOLON>
        QUIC_CONNECTION_EVENT Event$<SEMICOLON>
        Event.Type = QUIC_CONNECTION_EVENT_PEER_ADDRESS_CHANGED$<SEMICOLON>
        Event.PEER_ADDRESS_CHANGED.Address = &Connection->Paths[0].Route.RemoteAddress$<SEMICOLON>
        (void)QuicConnIndicateEvent(Connection, &Event)$<SEMICOLON>")
# What the path could send that was gone back to, or was moved to, is sent: the limit of the last one stopped it, and
# loss detection's timer with it.
replace_once("            if (Connection->Paths[j].IsPeerValidated) {
                FallbackIndex = j;
                break;
            }"
             "            if (Connection->Paths[j].IsPeerValidated) {
                FallbackIndex = j$<SEMICOLON>
                break$<SEMICOLON>
            }
            if (Connection->Paths[j].Allowance == UINT32_MAX) FallbackIndex = j$<SEMICOLON>")
replace_once("    CXPLAT_DBG_ASSERT(Path->DestCid != NULL);
    CXPLAT_DBG_ASSERT(!Path->DestCid->CID.Retired);
}"
             "    CXPLAT_DBG_ASSERT(Path->DestCid != NULL)$<SEMICOLON>
    CXPLAT_DBG_ASSERT(!Path->DestCid->CID.Retired)$<SEMICOLON>
    if (Connection->Paths[0].Allowance >= QUIC_MIN_SEND_ALLOWANCE) {
        (void)QuicConnRemoveOutFlowBlockedReason(Connection, QUIC_FLOW_BLOCKED_AMPLIFICATION_PROT)$<SEMICOLON>
        QuicSendQueueFlush(&Connection->Send, REASON_AMP_PROTECTION)$<SEMICOLON>
        QuicLossDetectionUpdateTimer(&Connection->LossDetection, FALSE)$<SEMICOLON>
    }
}")
replace_once("#if DEBUG\n    if (Connection->Paths[Index].DestCid) {"
             "    QUIC_CID_LIST_ENTRY* DestCid = Connection->Paths[Index].DestCid$<SEMICOLON>
    QUIC_CID_LIST_ENTRY* QuicConnGetUnusedDestCid(const QUIC_CONNECTION*)$<SEMICOLON>
    void QuicConnRetireCid(QUIC_CONNECTION*, QUIC_CID_LIST_ENTRY*)$<SEMICOLON>
    if (DestCid != NULL && DestCid->CID.Length != 0 && !DestCid->CID.Retired && QuicConnGetUnusedDestCid(Connection) != NULL) {
        QuicConnRetireCid(Connection, DestCid)$<SEMICOLON>
    }
#if DEBUG\n    if (Connection->Paths[Index].DestCid) {")
write_patched(path.c)

# Queueing a datagram takes the same time however many wait: the newest is put in front, and the worker turns the list
# round when it takes it. Walking to the end, with the lock held, made a burst of n cost n^2.
file(READ "${MSQUIC_OUT}/upstream/src/core/datagram.c" _text)
replace_once("            QUIC_SEND_REQUEST** ApiQueueTail = &Datagram->ApiQueue;\n            while (*ApiQueueTail != NULL) {\n                ApiQueueTail = &((*ApiQueueTail)->Next);\n                QueueOper = FALSE; // Not necessary if the previous send hasn't been flushed yet.\n            }\n            *ApiQueueTail = SendRequest;"
             "            QueueOper = Datagram->ApiQueue == NULL$<SEMICOLON>\n            SendRequest->Next = Datagram->ApiQueue$<SEMICOLON>\n            Datagram->ApiQueue = SendRequest$<SEMICOLON>")
replace_once("    QUIC_CONNECTION* Connection = QuicDatagramGetConnection(Datagram);\n    while (ApiQueue != NULL) {\n"
             "    QUIC_CONNECTION* Connection = QuicDatagramGetConnection(Datagram)$<SEMICOLON>\n    QUIC_SEND_REQUEST* Newest = ApiQueue$<SEMICOLON>\n    ApiQueue = NULL$<SEMICOLON>\n    while (Newest != NULL) {\n        QUIC_SEND_REQUEST* Older = Newest->Next$<SEMICOLON>\n        Newest->Next = ApiQueue$<SEMICOLON>\n        ApiQueue = Newest$<SEMICOLON>\n        Newest = Older$<SEMICOLON>\n    }\n    while (ApiQueue != NULL) {\n")
write_patched(datagram.c)

# Datagrams and streams take turns, packet by packet, while both have something to send. Datagrams went before all
# streams, so a sender that always had one queued starved its own streams.
file(READ "${MSQUIC_OUT}/upstream/src/core/send.c" _text)
replace_once("            SendFlags &= ~QUIC_CONN_SEND_FLAG_DATAGRAM;\n        }\n"
             "            SendFlags &= ~QUIC_CONN_SEND_FLAG_DATAGRAM$<SEMICOLON>\n        }\n        if ((SendFlags & QUIC_CONN_SEND_FLAG_DATAGRAM) != 0 && (Connection->Stats.Send.TotalPackets & 1) != 0 &&\n            (Stream != NULL || (Stream = QuicSendGetNextStream(Send, &StreamPacketCount)) != NULL)) {\n            SendFlags &= ~QUIC_CONN_SEND_FLAG_DATAGRAM$<SEMICOLON>\n        }\n")
write_patched(send.c)

# The timer wheel's slots are a millisecond wide and not a second: their lists are sorted, and ten thousand connections
# that expect something within the same second searched through each other with every packet.
file(READ "${MSQUIC_OUT}/upstream/src/core/timer_wheel.c" _text)
replace_once("((US_TO_MS(TimeUs) / 1000) %" "(US_TO_MS(TimeUs) %")
write_patched(timer_wheel.c)
# A worker serves 16 connections before it looks for packets again, and not one: a look is a call of the kernel that
# nearly always finds nothing more.
file(READ "${MSQUIC_OUT}/upstream/src/core/worker.c" _text)
replace_once("    QUIC_CONNECTION* Connection = QuicWorkerGetNextConnection(Worker);
    if (Connection != NULL) {"
             "    QUIC_CONNECTION* Connection$<SEMICOLON>
    for (uint32_t Served = 0$<SEMICOLON> Served < 16 && (Connection = QuicWorkerGetNextConnection(Worker)) != NULL$<SEMICOLON> ++Served) {")
write_patched(worker.c)

# Blocks for packets, of 64 KB and more, are used as they come. msquic fills each with zeros whenever it takes one, but
# writes all that it reads of the bytes; what needs the zeros is the head of a send, and each received packet's record.
if(NOT APPLE)
  file(READ "${MSQUIC_OUT}/upstream/src/platform/datapath_epoll.c" _text)
  replace_once("    struct iovec RecvIov;\n\n    do {\n        uint32_t RetryCount = 0;\n        do {\n            IoBlock = CxPlatPoolAlloc("
               "    struct iovec RecvIov$<SEMICOLON>\n\n    do {\n        uint32_t RetryCount = 0$<SEMICOLON>\n        do {\n            if (IoBlock == NULL) IoBlock = CxPlatPoolAllocUninitialized(")
  replace_once("            IoBlock->RefCount++;\n            Datagram->IoBlock = IoBlock;"
               "            CxPlatZeroMemory(Datagram, SocketContext->DatapathPartition->Datapath->RecvBlockStride)$<SEMICOLON>
            IoBlock->RefCount++$<SEMICOLON>
            Datagram->IoBlock = IoBlock$<SEMICOLON>")
  replace_once("    CXPLAT_SEND_DATA* SendData = CxPlatPoolAlloc(&SocketContext->DatapathPartition->SendBlockPool);
    if (SendData != NULL) {"
               "    CXPLAT_SEND_DATA* SendData = CxPlatPoolAllocUninitialized(&SocketContext->DatapathPartition->SendBlockPool)$<SEMICOLON>
    if (SendData != NULL) {
        CxPlatZeroMemory(SendData, offsetof(CXPLAT_SEND_DATA, Buffer))$<SEMICOLON>")
  # What fits into a smaller block is copied into one, and the large one receives again: a block has room for 64 KB that
  # the kernel may have joined, and a connection's queue for 16,384 datagrams. Two pools of smaller ones lie behind the
  # partitions, for one datagram and for a few.
  replace_once("        CxPlatWorkerPoolGetCount(WorkerPool) * sizeof(CXPLAT_DATAPATH_PARTITION);"
               "        CxPlatWorkerPoolGetCount(WorkerPool) * (sizeof(CXPLAT_DATAPATH_PARTITION) + sizeof(CXPLAT_FITTING_POOLS))$<SEMICOLON>")
  replace_once("void
CxPlatProcessorContextInitialize("
               "static const uint32_t FittingBlockSizes[] = { 2 * 1024, 16 * 1024 }$<SEMICOLON>

typedef struct CXPLAT_FITTING_POOLS {
    CXPLAT_POOL Pools[ARRAYSIZE(FittingBlockSizes)]$<SEMICOLON>
} CXPLAT_FITTING_POOLS$<SEMICOLON>

static CXPLAT_FITTING_POOLS* CxPlatFittingPools(CXPLAT_DATAPATH_PARTITION* Partition) {
    CXPLAT_DATAPATH* Datapath = Partition->Datapath$<SEMICOLON>
    return (CXPLAT_FITTING_POOLS*)&Datapath->Partitions[Datapath->PartitionCount] + Partition->PartitionIndex$<SEMICOLON>
}

static DATAPATH_RX_IO_BLOCK* CxPlatFittingBlock(
    CXPLAT_DATAPATH_PARTITION* Partition, DATAPATH_RX_IO_BLOCK* Block, uint32_t Length, uint16_t SegmentLength, uint8_t** Buffer) {
    CXPLAT_DATAPATH* Datapath = Partition->Datapath$<SEMICOLON>
    if (!(Datapath->Features & CXPLAT_DATAPATH_FEATURE_RECV_COALESCING) || Length == 0) return Block$<SEMICOLON>
    const uint32_t Packets = CXPLAT_MIN((Length + SegmentLength - 1) / SegmentLength, CXPLAT_MAX_IO_BATCH_SIZE)$<SEMICOLON>
    const uint32_t Offset = ALIGN_UP_BY(sizeof(*Block) + Packets * Datapath->RecvBlockStride, CXPLAT_MEMORY_ALIGNMENT)$<SEMICOLON>
    for (uint32_t i = 0$<SEMICOLON> i < ARRAYSIZE(FittingBlockSizes)$<SEMICOLON> ++i) {
        if (Offset + Length > FittingBlockSizes[i]) continue$<SEMICOLON>
        DATAPATH_RX_IO_BLOCK* Fitting = CxPlatPoolAllocUninitialized(&CxPlatFittingPools(Partition)->Pools[i])$<SEMICOLON>
        if (Fitting == NULL) return Block$<SEMICOLON>
        Fitting->Route = Block->Route$<SEMICOLON>
        Fitting->RefCount = 0$<SEMICOLON>
        CxPlatCopyMemory((uint8_t*)Fitting + Offset, *Buffer, Length)$<SEMICOLON>
        *Buffer = (uint8_t*)Fitting + Offset$<SEMICOLON>
        return Fitting$<SEMICOLON>
    }
    return Block$<SEMICOLON>
}

void
CxPlatProcessorContextInitialize(")
  replace_once("    CxPlatPoolInitialize(TRUE, Datapath->RecvBlockSize, QUIC_POOL_DATA, &DatapathPartition->RecvBlockPool);"
               "    CxPlatPoolInitialize(TRUE, Datapath->RecvBlockSize, QUIC_POOL_DATA, &DatapathPartition->RecvBlockPool)$<SEMICOLON>
    for (uint32_t i = 0$<SEMICOLON> i < ARRAYSIZE(FittingBlockSizes)$<SEMICOLON> ++i) {
        CxPlatPoolInitialize(TRUE, FittingBlockSizes[i], QUIC_POOL_DATA, &CxPlatFittingPools(DatapathPartition)->Pools[i])$<SEMICOLON>
    }")
  replace_once("        CxPlatPoolUninitialize(&DatapathPartition->RecvBlockPool);"
               "        CxPlatPoolUninitialize(&DatapathPartition->RecvBlockPool)$<SEMICOLON>
        for (uint32_t i = 0$<SEMICOLON> i < ARRAYSIZE(FittingBlockSizes)$<SEMICOLON> ++i) {
            CxPlatPoolUninitialize(&CxPlatFittingPools(DatapathPartition)->Pools[i])$<SEMICOLON>
        }")
  replace_once("            (uint8_t*)IoBlock + SocketContext->DatapathPartition->Datapath->RecvBlockBufferOffset;
        IoBlock->RefCount = 0;"
               "            (uint8_t*)IoBlock + SocketContext->DatapathPartition->Datapath->RecvBlockBufferOffset$<SEMICOLON>
        IoBlock->RefCount = 0$<SEMICOLON>
        DATAPATH_RX_IO_BLOCK* Fitting = CxPlatFittingBlock(
            SocketContext->DatapathPartition, IoBlock, RecvMsgHdr[CurrentMessage].msg_len, SegmentLength, &RecvBuffer)$<SEMICOLON>
        if (Fitting != IoBlock) {
            IoBlocks[CurrentMessage] = IoBlock$<SEMICOLON>
            IoBlock = Fitting$<SEMICOLON>
            Datagram = (DATAPATH_RX_PACKET*)(IoBlock + 1)$<SEMICOLON>
        }")
  write_patched(datapath_epoll.c)
  set(_patched_datapath "${_patched_dir}/datapath_epoll.c")
endif()

# A session is resumed without its early data where native/quic/early_data_hooks.cc says so, and a client is told what
# became of its own. Tickets of every key in the list are read; the first makes new ones. The list ends with an entry of
# no length, which holds the list before it: handshakes may still read that, so it goes with the configuration.
file(READ "${MSQUIC_OUT}/upstream/src/platform/tls_openssl.c" _text)
replace_once("    QUIC_TICKET_KEY_CONFIG* TicketKey = TlsContext->SecConfig->TicketKey;"
             "    QUIC_TICKET_KEY_CONFIG* TicketKey = __atomic_load_n(&TlsContext->SecConfig->TicketKey, __ATOMIC_ACQUIRE)$<SEMICOLON>")
replace_once("        if (memcmp(key_name, TicketKey->Id, 16) != 0) {"
             "        while (TicketKey->MaterialLength != 0 && memcmp(key_name, TicketKey->Id, 16) != 0) TicketKey++$<SEMICOLON>\n        if (TicketKey->MaterialLength == 0) {")
replace_once("    if (SecurityConfig->TicketKey == NULL) {\n        SecurityConfig->TicketKey ="
             "    return SetTicketKeyList(SecurityConfig, KeyConfig, KeyCount)$<SEMICOLON>\n    if (SecurityConfig->TicketKey == NULL) {\n        SecurityConfig->TicketKey =")
replace_once("    if (SecurityConfig->TicketKey != NULL) {\n        CXPLAT_FREE(SecurityConfig->TicketKey, QUIC_POOL_TLS_TICKET_KEY);"
             "    while (SecurityConfig->TicketKey != NULL) {\n        QUIC_TICKET_KEY_CONFIG* Keys = SecurityConfig->TicketKey$<SEMICOLON>\n        SecurityConfig->TicketKey = OlderTicketKeys(Keys)$<SEMICOLON>\n        CXPLAT_FREE(Keys, QUIC_POOL_TLS_TICKET_KEY)$<SEMICOLON>")
replace_once("CXPLAT_STATIC_ASSERT(\n    FIELD_OFFSET(QUIC_CERTIFICATE_FILE, PrivateKeyFile)"
             "static QUIC_TICKET_KEY_CONFIG* OlderTicketKeys(QUIC_TICKET_KEY_CONFIG* Keys) {\n    QUIC_TICKET_KEY_CONFIG* Older$<SEMICOLON>\n    while (Keys->MaterialLength != 0) Keys++$<SEMICOLON>\n    memcpy(&Older, Keys->Material, sizeof(Older))$<SEMICOLON>\n    return Older$<SEMICOLON>\n}\n\nstatic QUIC_STATUS SetTicketKeyList(CXPLAT_SEC_CONFIG* SecurityConfig, QUIC_TICKET_KEY_CONFIG* KeyConfig, uint8_t KeyCount) {\n    QUIC_TICKET_KEY_CONFIG* Older = SecurityConfig->TicketKey$<SEMICOLON>\n    QUIC_TICKET_KEY_CONFIG* Keys = CXPLAT_ALLOC_NONPAGED(sizeof(QUIC_TICKET_KEY_CONFIG) * (KeyCount + 1), QUIC_POOL_TLS_TICKET_KEY)$<SEMICOLON>\n    if (Keys == NULL) return QUIC_STATUS_OUT_OF_MEMORY$<SEMICOLON>\n    memcpy(Keys, KeyConfig, sizeof(QUIC_TICKET_KEY_CONFIG) * KeyCount)$<SEMICOLON>\n    memset(&Keys[KeyCount], 0, sizeof(QUIC_TICKET_KEY_CONFIG))$<SEMICOLON>\n    memcpy(Keys[KeyCount].Material, &Older, sizeof(Older))$<SEMICOLON>\n    __atomic_store_n(&SecurityConfig->TicketKey, Keys, __ATOMIC_RELEASE)$<SEMICOLON>\n    if (Older == NULL) SSL_CTX_set_tlsext_ticket_key_evp_cb(SecurityConfig->SSLCtx, CxPlatTlsOnSessionTicketKeyNeeded)$<SEMICOLON>\n    return QUIC_STATUS_SUCCESS$<SEMICOLON>\n}\n\nint millrace_allows_early_data(void* connection)$<SEMICOLON>\nvoid millrace_early_data_result(void* connection, int status)$<SEMICOLON>\n\nstatic int AllowEarlyData(SSL* Ssl, void* arg) {\n    CXPLAT_TLS* TlsContext = SSL_get_app_data(Ssl)$<SEMICOLON>\n    return millrace_allows_early_data(TlsContext->Connection)$<SEMICOLON>\n}\n\nCXPLAT_STATIC_ASSERT(\n    FIELD_OFFSET(QUIC_CERTIFICATE_FILE, PrivateKeyFile)")
replace_once("            Ret = SSL_CTX_set_session_ticket_cb("
             "            SSL_CTX_set_allow_early_data_cb(SecurityConfig->SSLCtx, AllowEarlyData, NULL)$<SEMICOLON>\n            Ret = SSL_CTX_set_session_ticket_cb(")
replace_once("                int EarlyDataStatus = SSL_get_early_data_status(TlsContext->Ssl);\n"
             "                int EarlyDataStatus = SSL_get_early_data_status(TlsContext->Ssl)$<SEMICOLON>\n                millrace_early_data_result(TlsContext->Connection, EarlyDataStatus)$<SEMICOLON>\n")
# Handshake messages belong to the level that is written at. A server that takes early data has the read key of that
# level later, and sent its EncryptedExtensions and Finished in Initial packets, which a strict client refuses.
replace_once("QUIC_PACKET_KEY_TYPE KeyType = (QUIC_PACKET_KEY_TYPE)AData->Level" "QUIC_PACKET_KEY_TYPE KeyType = TlsState->WriteKey")
write_patched(tls_openssl.c)

add_library(msquic_patches OBJECT
  "${_patched_dir}/connection.c" "${_patched_dir}/datagram.c" "${_patched_dir}/hashtable.c" "${_patched_dir}/listener.c"
  "${_patched_dir}/loss_detection.c" "${_patched_dir}/path.c" "${_patched_dir}/send.c" "${_patched_dir}/stream_recv.c"
  "${_patched_dir}/timer_wheel.c" "${_patched_dir}/tls_openssl.c" "${_patched_dir}/worker.c" ${_patched_datapath})
# Its headers have no guards.
set_target_properties(msquic_patches PROPERTIES UNITY_BUILD OFF)
target_include_directories(msquic_patches SYSTEM PRIVATE
  "${MSQUIC_OUT}/upstream/src/inc" "${MSQUIC_OUT}/upstream/src/platform" "${MSQUIC_OUT}/upstream/src/core"
  "${MSQUIC_OUT}/build/_deps/opensslquic-build/openssl/include")
target_compile_definitions(msquic_patches PRIVATE _GNU_SOURCE HAS_SENDMMSG QUIC_EVENTS_STUB QUIC_LOGS_STUB NDEBUG
  $<$<PLATFORM_ID:Linux>:CX_PLATFORM_LINUX> $<$<PLATFORM_ID:Darwin>:CX_PLATFORM_DARWIN>)
target_compile_options(msquic_patches PRIVATE -w -O3 -fms-extensions -ffunction-sections -fdata-sections)
