package remoting

import "testing"

func fuzzCodec(f *testing.F, codec Codec, seeds ...string) {
	for _, name := range []string{"route_request", "route_response", "send_request", "send_response", "send_request_binary", "pull_request", "pull_response"} {
		if frame := vector(f, name)[4:]; Codec(frame[0]) == codec {
			n := int(frame[1])<<16 | int(frame[2])<<8 | int(frame[3])
			f.Add(frame[4 : 4+n])
		}
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, header []byte) {
		frame := jsonFrame(string(header), "body")
		frame[0] = byte(codec)
		var cmd Command
		_ = DecodeCommand(frame, &cmd, &Scratch{})
	})
}

func FuzzDecodeJSON(f *testing.F) {
	fuzzCodec(f, CodecJSON, `{}`, `{'code':'1.5',"x":[{"y":null},],"language":9 "extFields":{"a":1e3,"b":{"c":'d'}}}`, `{"remark":"\ud83d\ude00\x41\u00e9\7"}`)
}

func FuzzDecodeBinary(f *testing.F) { fuzzCodec(f, CodecBinary, string(make([]byte, 21))) }
