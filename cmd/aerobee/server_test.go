package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// aerobee is this binary as the command, see TestMain.
func aerobee(t *testing.T, args ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), "aerobee", args...)
}

// log collects what a process writes while the test may read it.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs a server and returns the addresses of its ready line.
func start(t *testing.T, args ...string) (cmd *exec.Cmd, ready map[string]string) {
	cmd = aerobee(t, args...)
	var logs log
	cmd.Stderr = &logs
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			if err := cmd.Process.Kill(); err != nil {
				t.Log(err)
			}
			t.Log(cmd.Wait())
		}
		if t.Failed() {
			t.Log(logs.String())
		}
	})
	var line []byte
	for buf := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; {
		_, err := out.Read(buf)
		require.NoError(t, err, "no ready line: %s", logs.String())
		line = append(line, buf...)
	}
	require.Regexp(t, `^aerobee ready `, string(line))
	ready = make(map[string]string)
	for _, m := range regexp.MustCompile(`(\w+)=(\S+)`).FindAllStringSubmatch(string(line), -1) {
		ready[m[1]] = m[2]
	}
	go func() {
		if _, err := io.Copy(io.Discard, out); err != nil {
			return // the process is gone
		}
	}()
	return cmd, ready
}

func stop(t *testing.T, cmd *exec.Cmd) {
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait())
}

func exit(t *testing.T, args ...string) (code int, stderr string) {
	cmd := aerobee(t, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	err := cmd.Run()
	if err == nil {
		return 0, errs.String()
	}
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed)
	return failed.ExitCode(), errs.String()
}

var anyPorts = []string{"--namesrv-port", "0", "--broker-port", "0", "--console-port", "0"}

func TestServerFromStartToStop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	args := append([]string{"server", "--data", dir}, anyPorts...)
	cmd, ready := start(t, args...)
	require.Equal(t, dir, ready["store"])
	require.NotContains(t, ready, "proxy")
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		resp, err := http.Get("http://" + ready["console"] + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode, path)
		if path == "/metrics" {
			require.Contains(t, string(body), `rocketmq_topic_number{cluster="DefaultCluster",node_id="broker-a",node_type="broker"}`)
		}
	}
	require.Less(t, anonymousMemory(t, cmd.Process.Pid), 40<<20, "idle memory in bytes")

	code, stderr := exit(t, args...)
	require.Equal(t, exitStore, code, "a second process on the same directory")
	require.Regexp(t, `lock is locked by process \d+`, stderr)

	stop(t, cmd)
	_, err := os.Stat(filepath.Join(dir, "abort"))
	require.ErrorIs(t, err, os.ErrNotExist, "a clean stop")
	cmd, _ = start(t, args...)
	stop(t, cmd)
}

// anonymousMemory is RssAnon of a process in bytes.
func anonymousMemory(t *testing.T, pid int) int {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	require.NoError(t, err)
	m := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(t, m)
	kib := 0
	for _, c := range m[1] {
		kib = 10*kib + int(c-'0')
	}
	return kib << 10
}

func TestRolesAlone(t *testing.T) {
	dir := t.TempDir()
	nsConf, conf := filepath.Join(dir, "namesrv.conf"), filepath.Join(dir, "broker.conf")
	require.NoError(t, os.WriteFile(nsConf, []byte("listenPort=0\nbindAddress=127.0.0.1\nkvConfigPath="+dir+"/kv.json\nconfigStorePath="+dir+"/ns.properties\n"), 0o644))
	require.NoError(t, os.WriteFile(conf, []byte("listenPort=0\nbindAddress=127.0.0.1\nbrokerIP1=127.0.0.1\nbrokerName=b1\nstorePathRootDir="+dir+"/store\nstorePathCommitLog="+dir+"/store/commitlog\n"), 0o644))
	ns, nsReady := start(t, "namesrv", "-c", nsConf)
	b, bReady := start(t, "broker", "-c", conf, "-n", nsReady["namesrv"])
	require.NotContains(t, nsReady, "broker")
	require.NotContains(t, bReady, "namesrv")
	send := aerobee(t, "send", "T", "-n", nsReady["namesrv"])
	send.Stdin = strings.NewReader("one\ntwo\n")
	out, err := send.Output()
	require.NoError(t, err)
	require.Len(t, strings.Fields(string(out)), 2, "a message id per line")
	out, err = aerobee(t, "tail", "T", "-n", nsReady["namesrv"], "--from", "begin", "--count", "2").Output()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"one", "two"}, strings.Fields(string(out)))
	stop(t, b)
	stop(t, ns)
}

// TestAdminAgainstTheServer runs the verbs that people need first.
func TestAdminAgainstTheServer(t *testing.T) {
	cmd, ready := start(t, append([]string{"server", "--data", filepath.Join(t.TempDir(), "data"), "--broker-name", "b1"}, anyPorts...)...)
	ns, broker := ready["namesrv"], ready["broker"]
	admin := func(args ...string) string {
		t.Helper()
		out, err := aerobee(t, append(append([]string{"admin"}, args...), "-n", ns)...).CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
		return string(out)
	}
	require.Regexp(t, `DefaultCluster +b1 +0 +`+regexp.QuoteMeta(broker), admin("clusterList"))
	admin("updateTopic", "-c", "DefaultCluster", "-t", "Orders", "-r", "2", "-w", "2")
	require.Contains(t, admin("topicRoute", "-t", "Orders", "--output", "json"), `"broker": "b1"`)
	require.Contains(t, admin("topicList"), "Orders")
	send := aerobee(t, "send", "Orders", "-n", ns, "--key", "order-7")
	send.Stdin = strings.NewReader("seven\n")
	id, err := send.Output()
	require.NoError(t, err)
	require.Contains(t, admin("queryMsgByKey", "-t", "Orders", "-k", "order-7"), strings.TrimSpace(string(id)))
	require.Contains(t, admin("queryMsgByUniqueKey", "-t", "Orders", "-i", strings.TrimSpace(string(id))), "order-7")
	require.Contains(t, admin("topicStatus", "-t", "Orders"), "b1")
	require.Regexp(t, `(?m)^`+regexp.QuoteMeta(broker)+` +[01] +0 +1$`, admin("purgeTopic", "-t", "Orders", "-c", "DefaultCluster"))
	require.NotContains(t, admin("queryMsgByKey", "-t", "Orders", "-k", "order-7"), strings.TrimSpace(string(id)))
	require.Regexp(t, `(?m)^b1 +[01] +1 +1 `, admin("topicStatus", "-t", "Orders"))
	require.Contains(t, admin("brokerStatus", "-b", broker), "writable")
	admin("updateSubGroup", "-c", "DefaultCluster", "-g", "billing")
	require.Contains(t, admin("getBrokerConfig", "-b", broker), "brokerName")
	admin("updateBrokerConfig", "-b", broker, "-k", "longPollingEnable", "-v", "false")
	require.Regexp(t, `longPollingEnable\W+false`, admin("getBrokerConfig", "-b", broker))
	admin("deleteTopic", "-t", "Orders", "-c", "DefaultCluster")
	out, err := aerobee(t, "admin", "topicStatus", "-t", "Orders", "-n", ns).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "TOPIC_NOT_EXIST")
	stop(t, cmd)
}

func TestMistakesExitWithTheirCode(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "broker.conf")
	require.NoError(t, os.WriteFile(conf, []byte("flushDiskTyp=SYNC_FLUSH\n"), 0o644))
	broken := filepath.Join(dir, "broken")
	require.NoError(t, os.MkdirAll(filepath.Join(broken, "commitlog"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(broken, "commitlog", "notes.txt"), []byte("x"), 0o644))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"server", "--flush", "maybe"}, exitUsage, `--flush "maybe": must be sync or async`},
		{[]string{"server", "--bind", "here"}, exitUsage, `--bind "here"`},
		{[]string{"server", "--broker-port", "70000"}, exitUsage, `--broker-port 70000`},
		{[]string{"server", "--nonsense"}, exitUsage, "nonsense"},
		{[]string{"server", "--config", conf}, exitUsage, "flushDiskType"},
		{[]string{"server", "--log-format", "xml"}, exitUsage, "xml"},
		{[]string{"broker", "-c", conf}, exitUsage, "flushDiskType"},
		{[]string{"broker", "-c", filepath.Join(dir, "missing")}, exitUsage, "missing"},
		{[]string{"nonsense"}, exitUsage, "nonsense"},
		{append([]string{"server", "--data", broken}, anyPorts...), exitStore, "notes.txt"},
	} {
		code, stderr := exit(t, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.says, "%v", c.args)
	}
}

func TestPrintsTheEffectiveConfiguration(t *testing.T) {
	out, err := aerobee(t, "broker", "-p").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "flushDiskType=ASYNC_FLUSH\n")
	out, err = aerobee(t, "namesrv", "-p").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "listenPort=9876\n")
}
