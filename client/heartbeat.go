package client

import (
	"time"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/javajson"
	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// heartbeatBody tells a broker that a producer is there.
func heartbeatBody(clientID, producerGroup string) []byte {
	return javajson.Marshal(&protocol.HeartbeatData{
		ClientID:        clientID,
		ProducerDataSet: []protocol.ProducerData{{GroupName: producerGroup}},
	})
}

// maxPendingBytes bounds what waits to be written to one broker. It holds a few
// of the largest messages; a sender that meets the bound waits.
const maxPendingBytes = 32 << 20

// newCluster connects a client to its installation. asyncTimeout is the limit for
// requests whose answer is not waited for; serve answers requests of brokers, if
// there is one.
func newCluster(c *config, asyncTimeout time.Duration, serve remoting.Handler) (*cluster.Cluster, error) {
	return cluster.New(cluster.Config{
		Nameservers: c.nameservers, RequestTimeout: c.requestTimeout,
		Remoting: remoting.ClientConfig{
			Logger: c.logger, TLS: c.tls, Timeout: asyncTimeout, MaxPendingBytesPerConn: maxPendingBytes, Handler: serve,
		},
	})
}
