package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// apache is Apache RocketMQ's nameserver and broker with their own defaults: only
// addresses, paths and the flush mode are set, and SQL92 is allowed.
type apache struct {
	classes string // class path
	heap    string
}

func (apache) name() string                   { return "apache" }
func (apache) warmup(o options) time.Duration { return o.warmupJava }

// classPath is that of the environment, or Maven's.
func classPath(ctx context.Context) (string, error) {
	if path := os.Getenv("ROCKETMQ_CLASSPATH"); path != "" {
		return path, nil
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", errors.New("the Apache server: neither ROCKETMQ_CLASSPATH is set nor is there a Maven (mvn)")
	}
	out, err := os.CreateTemp("", "aerobee-bench-classpath-")
	if err != nil {
		return "", err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", "bench/pom.xml", "dependency:build-classpath", "-Dmdep.outputFile="+out.Name())
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("the Apache server out of Maven: %w", err)
	}
	b, err := os.ReadFile(out.Name())
	return strings.TrimSpace(string(b)), err
}

func (a apache) start(ctx context.Context, store string, sync bool) (*running, error) {
	home := filepath.Join(filepath.Dir(store), "apache")
	if err := errors.Join(os.MkdirAll(filepath.Join(home, "conf"), 0o755), os.MkdirAll(store, 0o755)); err != nil {
		return nil, err
	}
	r := &running{}
	if err := a.startNamesrv(ctx, r, home); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	if err := a.startBroker(ctx, r, home, store, sync); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (a apache) startNamesrv(ctx context.Context, r *running, home string) error {
	port, err := freePorts()
	if err != nil {
		return err
	}
	conf := filepath.Join(home, "namesrv.conf")
	text := fmt.Sprintf("bindAddress=127.0.0.1\nlistenPort=%d\nkvConfigPath=%s\n", port, filepath.Join(home, "kv.json"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	p, err := a.java(ctx, home, "namesrv.log", "256m", "org.apache.rocketmq.namesrv.NamesrvStartup", conf)
	if err != nil {
		return err
	}
	r.processes = append(r.processes, p)
	r.namesrv = fmt.Sprintf("127.0.0.1:%d", port)
	return await(ctx, p, func() bool {
		conn, err := net.Dial("tcp", r.namesrv)
		return err == nil && conn.Close() == nil
	})
}

func (a apache) startBroker(ctx context.Context, r *running, home, store string, sync bool) error {
	port, err := freePorts()
	if err != nil {
		return err
	}
	flush := "ASYNC_FLUSH"
	if sync {
		flush = "SYNC_FLUSH"
	}
	conf := filepath.Join(home, "broker.conf")
	text := fmt.Sprintf("brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nbindAddress=127.0.0.1\nlistenPort=%d\nnamesrvAddr=%s\nstorePathRootDir=%s\nflushDiskType=%s\nenablePropertyFilter=true\n",
		port, r.namesrv, store, flush)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	begun := time.Now()
	p, err := a.java(ctx, home, "broker.log", a.heap, "org.apache.rocketmq.broker.BrokerStartup", conf)
	if err != nil {
		return err
	}
	r.processes = append(r.processes, p)
	r.pid = p.cmd.Process.Pid
	err = await(ctx, p, func() bool { return registered(ctx, r.namesrv) })
	r.ready = time.Since(begun)
	return err
}

// java launches a main class as Apache's scripts do, with a heap of its own.
func (a apache) java(ctx context.Context, home, log, heap, class, conf string) (*process, error) {
	return launch(ctx, filepath.Join(home, log), "java", "-server", "-Xms"+heap, "-Xmx"+heap, "-XX:+UseG1GC",
		"--add-exports=java.base/sun.nio.ch=ALL-UNNAMED", "--add-opens=java.base/java.nio=ALL-UNNAMED",
		"-Drocketmq.home.dir="+home, "-Duser.home="+home, "-cp", a.classes, class, "-c", conf)
}
