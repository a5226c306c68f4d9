// Writes and reads frames with Go's FlatBuffers runtime: one JSON command a line, one JSON answer a line.
//
//	{"write": {kind, flags, channel, type, seq, ref, payload, subject?, meta?}} → {"frame"}; bytes are hexadecimal.
//	{"read": frame} → the same fields.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"

	flatbuffers "github.com/google/flatbuffers/go"

	"compat/millrace/wire"
)

type contents struct {
	Kind    byte         `json:"kind"`
	Flags   byte         `json:"flags"`
	Channel uint16       `json:"channel"`
	Type    uint32       `json:"type"`
	Seq     uint32       `json:"seq"`
	Ref     uint32       `json:"ref"`
	Payload string       `json:"payload"`
	Subject *string      `json:"subject,omitempty"`
	Meta    *[][2]string `json:"meta,omitempty"`
}

type command struct {
	Write *contents `json:"write"`
	Read  string    `json:"read"`
}

type written struct {
	Frame string `json:"frame"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked command
		check(json.Unmarshal(lines.Bytes(), &asked))
		if asked.Write != nil {
			check(answers.Encode(written{hex.EncodeToString(write(asked.Write))}))
		} else {
			check(answers.Encode(read(unhex(asked.Read))))
		}
	}
	check(lines.Err())
}

func write(from *contents) []byte {
	builder := flatbuffers.NewBuilder(64)
	payload := unhex(from.Payload)
	builder.Prep(8, len(payload)) // force_align: the generated functions do not know of it
	payloadVector := builder.CreateByteVector(payload)
	var subject, meta flatbuffers.UOffsetT
	if from.Subject != nil {
		subject = builder.CreateString(*from.Subject)
	}
	if from.Meta != nil {
		entries := make([]flatbuffers.UOffsetT, len(*from.Meta))
		for i, entry := range *from.Meta {
			entries[i] = writeEntry(builder, entry[0], unhex(entry[1]))
		}
		wire.FrameStartMetaVector(builder, len(entries))
		for i := len(entries) - 1; i >= 0; i-- {
			builder.PrependUOffsetT(entries[i])
		}
		meta = builder.EndVector(len(entries))
	}
	wire.FrameStart(builder)
	wire.FrameAddPayload(builder, payloadVector)
	if from.Subject != nil {
		wire.FrameAddSubject(builder, subject)
	}
	if from.Meta != nil {
		wire.FrameAddMeta(builder, meta)
	}
	wire.FrameAddHeader(builder, wire.CreateHeader(
		builder, wire.Kind(from.Kind), from.Flags, from.Channel, from.Type, from.Seq, from.Ref))
	builder.FinishSizePrefixed(wire.FrameEnd(builder))
	return builder.FinishedBytes()
}

func writeEntry(builder *flatbuffers.Builder, key string, value []byte) flatbuffers.UOffsetT {
	valueVector := builder.CreateByteVector(value)
	keyString := builder.CreateString(key)
	wire.EntryStart(builder)
	wire.EntryAddKey(builder, keyString)
	wire.EntryAddValue(builder, valueVector)
	return wire.EntryEnd(builder)
}

func read(encoded []byte) contents {
	frame := wire.GetSizePrefixedRootAsFrame(encoded, 0)
	header := frame.Header(nil)
	into := contents{
		Kind:    byte(header.Kind()),
		Flags:   header.Flags(),
		Channel: header.Channel(),
		Type:    header.Type(),
		Seq:     header.Seq(),
		Ref:     header.Ref(),
		Payload: hex.EncodeToString(frame.PayloadBytes()),
	}
	if bytes := frame.Subject(); bytes != nil {
		subject := string(bytes)
		into.Subject = &subject
	}
	if frame.MetaLength() > 0 {
		meta := make([][2]string, frame.MetaLength())
		for i := range meta {
			var entry wire.Entry
			frame.Meta(&entry, i)
			meta[i] = [2]string{string(entry.Key()), hex.EncodeToString(entry.ValueBytes())}
		}
		into.Meta = &meta
	}
	return into
}

func unhex(text string) []byte {
	bytes, err := hex.DecodeString(text)
	check(err)
	return bytes
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
