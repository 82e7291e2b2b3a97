package filters

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// bloom is the shape of the Bloom filter that a Java broker computes for every
// message: which bits a group has for a topic.
type bloom struct {
	bits, hashes int
}

func newBloom(errorRate, consumers int) bloom {
	rate := float64(errorRate) / 100
	logOf := func(base, x float64) float64 { return math.Log(x) / math.Log(base) }
	n := int(math.Ceil(float64(consumers) * logOf(2, 1/rate) * logOf(2, math.E)))
	return bloom{bits: (n + 7) / 8 * 8, hashes: int(math.Ceil(logOf(0.5, rate)))}
}

// positions are the bits of a name.
func (b bloom) positions(name string) []int {
	h := murmur3([]byte(name))
	first, second := int32(h), int32(h>>32)
	list := make([]int, b.hashes)
	for i := range list {
		combined := first + int32(i+1)*second
		if combined < 0 {
			combined = ^combined
		}
		list[i] = int(combined) % b.bits
	}
	return list
}

// Constants of MurmurHash3 x64 128 by Austin Appleby, which is in the public domain.
const (
	murmurC1 = 0x87c37b91114253d5
	murmurC2 = 0x4cf5ad432745937f
)

// murmur3 is the first half of MurmurHash3 x64 128 with seed 0.
func murmur3(data []byte) uint64 {
	var h1, h2 uint64
	rest := data
	for ; len(rest) >= 16; rest = rest[16:] {
		k1, k2 := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])
		h1 ^= bits.RotateLeft64(k1*murmurC1, 31) * murmurC2
		h1 = (bits.RotateLeft64(h1, 27)+h2)*5 + 0x52dce729
		h2 ^= bits.RotateLeft64(k2*murmurC2, 33) * murmurC1
		h2 = (bits.RotateLeft64(h2, 31)+h1)*5 + 0x38495ab5
	}
	var tail [16]byte
	copy(tail[:], rest)
	k1, k2 := binary.LittleEndian.Uint64(tail[:]), binary.LittleEndian.Uint64(tail[8:])
	h1 ^= bits.RotateLeft64(k1*murmurC1, 31) * murmurC2
	h2 ^= bits.RotateLeft64(k2*murmurC2, 33) * murmurC1
	h1 ^= uint64(len(data))
	h2 ^= uint64(len(data))
	h1 += h2
	h2 += h1
	return mixed(h1) + mixed(h2)
}

func mixed(k uint64) uint64 {
	k ^= k >> 33
	k *= 0xff51afd7ed558ccd
	k ^= k >> 33
	k *= 0xc4ceb9fe1a85ec53
	return k ^ k>>33
}
