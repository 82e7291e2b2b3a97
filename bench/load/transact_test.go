package load

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommitsWhatWasStored(t *testing.T) {
	e, err := newEnder(Config{Topic: "T", Group: "g"}, "broker-a")
	require.NoError(t, err)
	for _, header := range []string{
		`{"code":0,"extFields":{"queueId":"1","msgId":"7F00000100002A9F00000000000003E8","queueOffset":"12"},"flag":1,"opaque":1000000003}`,
		"msgId\x00\x00\x00\x207F00000100002A9F00000000000003E8queueOffset\x00\x00\x00\x0212",
	} {
		out, err := e.commit(nil, 35, &response{header: []byte(header)})
		require.NoError(t, err, header)
		require.Contains(t, string(out), `"tranStateTableOffset":"000000000000012"`)
		require.Contains(t, string(out), `"commitLogOffset":"000000000001000"`)
		require.Contains(t, string(out), `"opaque":1000000035`)
	}
	_, err = e.commit(nil, 1, &response{header: []byte(`{"code":0}`)})
	require.ErrorIs(t, err, errResponse)
}
