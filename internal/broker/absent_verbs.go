package broker

import (
	"context"

	"github.com/aerobee/aerobee/internal/protocol"
	"github.com/aerobee/aerobee/internal/remoting"
)

// rocksProgress serves CHECK_ROCKSDB_CQ_WRITE_PROGRESS: there are no queues in
// RocksDB that could differ from those in files.
func (b *Broker) rocksProgress(c *remoting.Call) error {
	return replyJSON(c, &protocol.CheckRocksDBCQWriteResult{CheckResult: "consume queues are files here, there are none in RocksDB"})
}

// rocksExport serves EXPORT_ROCKSDB_CONFIG_TO_JSON, which writes what is in RocksDB
// to JSON files. Here it is in JSON files always.
func (b *Broker) rocksExport(_ context.Context, c *remoting.Call) error {
	if _, err := bind[protocol.ExportRocksDBConfigToJSONRequest](c); err != nil {
		return err
	}
	if err := b.topics.Sync(); err != nil {
		return err
	}
	c.Reply(remoting.Reply{Remark: "export done."})
	return nil
}

// resetMasterFlushOffset serves RESET_MASTER_FLUSH_OFFSET, which is for replicas: a
// master has nothing to reset and says yes, as in Java.
func (b *Broker) resetMasterFlushOffset(c *remoting.Call) error {
	if _, err := bind[protocol.ResetMasterFlushOffsetRequest](c); err != nil {
		return err
	}
	return replyOK(c)
}

// brokerEpochs serves GET_BROKER_EPOCH_CACHE: as every broker outside of a controller's group this one
// has none.
func (b *Broker) brokerEpochs(*remoting.Call) error {
	return protocol.Errorf(protocol.RespSystemError, "this request only for controllerMode ")
}
