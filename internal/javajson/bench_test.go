package javajson

import (
	"strings"
	"testing"
)

// route is about what a client reads every 30 seconds per topic.
var route = []byte(`{"queues":[` + strings.Repeat(`{"brokerName":"broker-a","queueId":8,"topic":"orders"},`, 16) +
	`],"addrs":{0:"127.0.0.1:10911",1:"127.0.0.1:10921"},"table":{}}`)

func BenchmarkUnmarshal(b *testing.B) {
	b.SetBytes(int64(len(route)))
	b.ReportAllocs()
	for b.Loop() {
		var v all
		if err := Unmarshal(route, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshal(b *testing.B) {
	var v all
	if err := Unmarshal(route, &v); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		out = AppendMarshal(out[:0], &v)
	}
	b.SetBytes(int64(len(out)))
}
