package config

import (
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/internal/vfs"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

const statePath = "state/runtime.json"

func open(t *testing.T, fs vfs.FS, conf string) (*LiveBroker, []string) {
	t.Helper()
	b, _ := parse(t, conf)
	l, dropped, err := NewLiveBroker(fs, statePath, b)
	require.NoError(t, err)
	return l, dropped
}

func TestUpdateAppliesAllOrNothing(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := open(t, fs, "maxMessageSize=1000")
	before := l.Current()

	changed, err := l.Update([]byte("maxMessageSize=2000\nbrokerPermission=4\ntraceOn=true\nslaveReadEnable=true\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"maxMessageSize", "brokerPermission", "slaveReadEnable"}, changed)
	require.Equal(t, 1000, before.MaxMessageSize, "a snapshot never changes")
	require.Equal(t, 2000, l.Current().MaxMessageSize)

	for text, want := range map[string]error{
		"maxMessageSize=3000\nlistenPort=1":                          ErrRestart,
		"maxMessageSize=3000\nlistenPort=1\nbrokerConfigPath=/etc/x": ErrBlackListed,
		"maxMessageSize=3000\nrocketmqHome=/tmp":                     ErrBlackListed,
		"maxMessageSize=3000\nconfigBlackList=":                      ErrBlackListed,
		"maxMessageSize=3000\nstorePathRootDir=/etc":                 ErrRestart,
		"maxMessageSize=3000\nbrokerPermission=99":                   nil,
		"maxMessageSize=3000\nbrokerPermision=4":                     nil,
		"maxMessageSize=3000\nauthenticationEnabled=true":            nil,
		"maxMessageSize=3000\nnamesrvAddr=x":                         nil,
		"maxMessageSize=3000\n\\u00":                                 nil,
	} {
		_, err := l.Update([]byte(text))
		require.Error(t, err, text)
		if want != nil {
			require.ErrorIs(t, err, want, text)
		} else {
			var p *Problems
			require.True(t, errors.As(err, &p), text)
		}
		require.Equal(t, 2000, l.Current().MaxMessageSize, text)
	}
	require.NoError(t, l.Current().Validate())
}

func TestUpdateTakesAWholeDumpBack(t *testing.T) {
	l, _ := open(t, vfs.NewMem(), "")
	b, _ := parse(t, "")
	b.ConfigBlackList = ""
	changes, err := ParseProperties([]byte(b.Properties()))
	require.NoError(t, err)
	var text []byte
	for _, c := range changes {
		if c.Key != "configBlackList" && c.Key != "brokerConfigPath" && c.Key != "rocketmqHome" {
			text = append(text, (c.Key + "=" + c.Value + "\n")...)
		}
	}
	changed, err := l.Update(text)
	require.NoError(t, err)
	require.Empty(t, changed)
}

func TestChangesSurviveRestart(t *testing.T) {
	fs := vfs.NewMem()
	l, dropped := open(t, fs, "maxMessageSize=1000")
	require.Empty(t, dropped)
	for _, text := range []string{"maxMessageSize=2000", "maxMessageSize=3000", "brokerPermission=4"} {
		_, err := l.Update([]byte(text))
		require.NoError(t, err)
	}

	l, dropped = open(t, fs, "maxMessageSize=1000")
	require.Empty(t, dropped)
	require.Equal(t, 3000, l.Current().MaxMessageSize)
	require.Equal(t, 4, l.Current().BrokerPermission)

	// The user's file has the last word when it was edited since.
	l, dropped = open(t, fs, "maxMessageSize=5000")
	require.Equal(t, []string{"maxMessageSize"}, dropped)
	require.Equal(t, 5000, l.Current().MaxMessageSize)
	require.Equal(t, 4, l.Current().BrokerPermission)

	// Back to what the file says: nothing is stored any more.
	_, err := l.Update([]byte("brokerPermission=6"))
	require.NoError(t, err)
	data, err := vfs.ReadFile(fs, statePath)
	require.NoError(t, err)
	require.Equal(t, "{}\n", string(data))
}

func TestFailedWriteChangesNothing(t *testing.T) {
	full := errors.New("disk full")
	fail := false
	fs := vfs.WithFaults(vfs.NewMem(), func(op vfs.Op, _ string, _ int) (int, error) {
		if fail && op == vfs.OpSync {
			return 0, full
		}
		return 0, nil
	})
	l, _ := open(t, fs, "")
	fail = true
	_, err := l.Update([]byte("brokerPermission=4"))
	require.ErrorIs(t, err, full)
	require.Equal(t, 6, l.Current().BrokerPermission)
	fail = false
	_, err = l.Update([]byte("brokerPermission=4"))
	require.NoError(t, err)
}

func TestUnreadableStateFileIsAnError(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, vfs.ReplaceFile(fs, statePath, []byte("{nonsense")))
	b, _ := parse(t, "")
	_, _, err := NewLiveBroker(fs, statePath, b)
	require.Error(t, err)
	n, _, err := ParseNamesrv("", nil, testHost)
	require.NoError(t, err)
	l, _, err := NewLiveNamesrv(vfs.NewMem(), n.RuntimePath(), n)
	require.NoError(t, err)
	_, err = l.Update([]byte("kvConfigPath=/etc/passwd"))
	require.ErrorIs(t, err, ErrBlackListed)
	changed, err := l.Update([]byte("orderMessageEnable=true"))
	require.NoError(t, err)
	require.Equal(t, []string{"orderMessageEnable"}, changed)
	require.True(t, l.Current().OrderMessage)
}
