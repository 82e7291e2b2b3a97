package compression

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/aerobee/aerobee/internal/message"
)

// MaxBody is the largest body that is unpacked: sixteen times what Java's
// broker stores by default, so only a decompression bomb meets it.
const MaxBody = 64 << 20

// ErrTooLarge is returned for a body that would unpack to more than MaxBody.
var ErrTooLarge = errors.New("compressed body unpacks to more than 64 MiB")

// Decompress returns the body that the producer was given. A body that the
// flag does not mark as compressed is returned as it is.
func Decompress(sysFlag int32, body []byte) ([]byte, error) {
	return decompress(sysFlag, body, MaxBody)
}

func decompress(sysFlag int32, body []byte, limit int) ([]byte, error) {
	if sysFlag&message.FlagCompressed == 0 {
		return body, nil
	}
	r, err := reader(sysFlag&message.FlagCompressionMask, body)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("compressed body of %d bytes: %w", len(body), err)
	}
	if len(plain) > limit {
		return nil, ErrTooLarge
	}
	return plain, nil
}

func reader(kind int32, body []byte) (io.ReadCloser, error) {
	switch kind {
	case 0, message.FlagCompressionZlib: // 0: clients from before 4.9 knew only zlib
		r, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("compressed body of %d bytes: %w", len(body), err)
		}
		return r, nil
	case message.FlagCompressionLZ4:
		return io.NopCloser(lz4.NewReader(bytes.NewReader(body))), nil
	case message.FlagCompressionZstd:
		r, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBody))
		if err != nil {
			return nil, fmt.Errorf("compressed body of %d bytes: %w", len(body), err)
		}
		return r.IOReadCloser(), nil
	default:
		return nil, fmt.Errorf("compressed body of %d bytes: unknown compression type %#x", len(body), kind)
	}
}
