package cluster

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJoin(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	require.NoError(t, Join())
	require.NoError(t, Join(nil, nil))
	require.Equal(t, a, Join(nil, a))
	err := Join(a, nil, b)
	require.EqualError(t, err, "a; b")
	require.ErrorIs(t, err, a)
	require.ErrorIs(t, err, b)
}
