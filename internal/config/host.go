package config

import (
	"net"
	"net/netip"
	"os"
)

// Host holds the facts of a machine that defaults depend on. Tests fix them.
type Host struct {
	Name        string // host name: default brokerName
	IP          string // default brokerIP1 and brokerIP2
	Home        string // home directory: default store directories
	NamesrvAddr string // default namesrvAddr
}

// LocalHost describes the machine and environment of this process. What cannot
// be found out gets a value that works on one machine.
func LocalHost() Host {
	h := Host{Name: "DEFAULT_BROKER", IP: "127.0.0.1", Home: ".", NamesrvAddr: os.Getenv("NAMESRV_ADDR")}
	if name, err := os.Hostname(); err == nil && name != "" {
		h.Name = name
	}
	if home, err := os.UserHomeDir(); err == nil && home != "" {
		h.Home = home
	}
	if addrs, err := net.InterfaceAddrs(); err == nil {
		if ip, ok := choose(addrs); ok {
			h.IP = ip.String()
		}
	}
	return h
}

// choose takes the first IPv4 address that other machines may reach, else the
// first global IPv6 one. Java prefers addresses outside 192.168/16 in the same
// way, because those are often bridges of virtual machines.
func choose(addrs []net.Addr) (netip.Addr, bool) {
	var best netip.Addr
	rank := 0
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := prefix.Addr().Unmap()
		r := 0
		switch {
		case ip.IsLoopback() || !ip.IsGlobalUnicast():
		case ip.Is6():
			r = 1
		case ip.As4()[0] == 192 && ip.As4()[1] == 168:
			r = 2
		default:
			r = 3
		}
		if r > rank {
			best, rank = ip, r
		}
	}
	return best, rank > 0
}
