package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEndpoints(t *testing.T) {
	reg := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "rocketmq_topic_number"})
	reg.MustRegister(gauge)
	gauge.Set(7)
	var ready atomic.Bool
	s := New(Config{Logger: slog.New(slog.DiscardHandler), Metrics: reg, Ready: func() error {
		if ready.Load() {
			return nil
		}
		return errors.New("recovering")
	}})
	addr, err := s.Listen("127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	client := &http.Client{Transport: &http.Transport{}}
	get := func(path string) (int, string) {
		resp, err := client.Get("http://" + addr.String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	code, _ := get("/livez")
	require.Equal(t, 200, code)
	code, body := get("/readyz")
	require.Equal(t, 503, code)
	require.Equal(t, "recovering\n", body)
	ready.Store(true)
	code, _ = get("/readyz")
	require.Equal(t, 200, code)
	_, body = get("/metrics")
	require.Contains(t, body, "rocketmq_topic_number 7")
	_, body = get("/debug/pprof/goroutine?debug=1")
	require.Contains(t, body, "goroutine profile")
	code, _ = get("/nothing")
	require.Equal(t, 404, code)
	client.CloseIdleConnections()
	cancel()
	require.NoError(t, <-done)
}
