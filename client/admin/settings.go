package admin

import (
	"context"
	"fmt"
	"strings"

	"github.com/magiconair/properties"

	"github.com/aerobee/aerobee/client/internal/cluster"
	"github.com/aerobee/aerobee/internal/protocol"
)

// Config is the configuration of one server, by Java's property names.
type Config struct {
	Addr   string            `json:"addr"`
	Values map[string]string `json:"values"`
}

// BrokerConfigs returns the configuration of every broker of a target.
func (c *Client) BrokerConfigs(ctx context.Context, target Target) ([]Config, error) {
	var configs []Config
	_, err := c.onEach(ctx, target, func(addr string) error {
		resp, err := c.call(ctx, addr, cluster.Request{Code: protocol.ReqGetBrokerConfig})
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		values, err := parseProperties(resp.Body)
		if err != nil {
			return fmt.Errorf("configuration: broker %s: %w", addr, err)
		}
		configs = append(configs, Config{Addr: addr, Values: values})
		return nil
	})
	return configs, err
}

// UpdateBrokerConfig sets one key at every broker of a target and returns where
// it is done. Java's broker ignores keys that it does not know.
func (c *Client) UpdateBrokerConfig(ctx context.Context, target Target, key, value string) ([]string, error) {
	body, err := formatProperty(key, value)
	if err != nil {
		return nil, err
	}
	return c.onEach(ctx, target, func(addr string) error {
		if _, err := c.call(ctx, addr, cluster.Request{Code: protocol.ReqUpdateBrokerConfig, Body: body}); err != nil {
			return fmt.Errorf("update configuration: %w", err)
		}
		return nil
	})
}

// NamesrvConfigs returns the configuration of every nameserver.
func (c *Client) NamesrvConfigs(ctx context.Context) ([]Config, error) {
	addrs := c.cluster.Nameservers()
	answers, err := c.cluster.CallEveryNamesrv(ctx, cluster.Request{Code: protocol.ReqGetNamesrvConfig})
	var configs []Config
	for i, resp := range answers {
		if resp == nil {
			continue
		}
		values, parseErr := parseProperties(resp.Body)
		if parseErr != nil {
			err = cluster.Join(err, fmt.Errorf("nameserver %s: %w", addrs[i], parseErr))
			continue
		}
		configs = append(configs, Config{Addr: addrs[i], Values: values})
	}
	if err != nil {
		err = fmt.Errorf("configuration: %w", err)
	}
	return configs, err
}

// UpdateNamesrvConfig sets one key at every nameserver.
func (c *Client) UpdateNamesrvConfig(ctx context.Context, key, value string) error {
	body, err := formatProperty(key, value)
	if err != nil {
		return err
	}
	if _, err := c.cluster.CallEveryNamesrv(ctx, cluster.Request{Code: protocol.ReqUpdateNamesrvConfig, Body: body}); err != nil {
		return fmt.Errorf("update configuration: %w", err)
	}
	return nil
}

// parseProperties reads Java properties text. The servers write values as they
// are, so a "${…}" in one is no reference.
func parseProperties(text []byte) (map[string]string, error) {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return nil, err
	}
	return p.Map(), nil
}

// formatProperty writes one line of Java properties text.
func formatProperty(key, value string) ([]byte, error) {
	if key == "" || strings.ContainsAny(key, " \t\r\n=:#!") {
		return nil, fmt.Errorf("configuration key %q: must be one word", key)
	}
	p := properties.NewProperties()
	p.DisableExpansion = true
	if _, _, err := p.Set(key, value); err != nil {
		return nil, fmt.Errorf("configuration key %s: %w", key, err)
	}
	var b strings.Builder
	if _, err := p.Write(&b, properties.UTF8); err != nil {
		return nil, fmt.Errorf("configuration key %s: %w", key, err)
	}
	return []byte(strings.Replace(b.String(), " = ", "=", 1)), nil
}

// KVConfig reads an entry of the nameservers' key-value store. One that does not
// exist is an error with client.CodeQueryNotFound.
func (c *Client) KVConfig(ctx context.Context, namespace, key string) (string, error) {
	resp, err := c.cluster.CallNamesrv(ctx, cluster.Request{
		Code: protocol.ReqGetKVConfig, Header: &protocol.GetKVConfigRequest{Namespace: namespace, Key: key},
	})
	if err != nil {
		return "", fmt.Errorf("key %s of namespace %s: %w", key, namespace, err)
	}
	var h protocol.GetKVConfigResponse
	err = cluster.Bind("nameserver", resp, &h)
	return h.Value, err
}

// PutKVConfig writes an entry of the key-value store of every nameserver.
func (c *Client) PutKVConfig(ctx context.Context, namespace, key, value string) error {
	return c.changeKV(ctx, namespace, key, cluster.Request{
		Code: protocol.ReqPutKVConfig, Header: &protocol.PutKVConfigRequest{Namespace: namespace, Key: key, Value: value},
	})
}

// DeleteKVConfig removes an entry from the key-value store of every nameserver.
func (c *Client) DeleteKVConfig(ctx context.Context, namespace, key string) error {
	return c.changeKV(ctx, namespace, key, cluster.Request{
		Code: protocol.ReqDeleteKVConfig, Header: &protocol.DeleteKVConfigRequest{Namespace: namespace, Key: key},
	})
}

func (c *Client) changeKV(ctx context.Context, namespace, key string, req cluster.Request) error {
	if _, err := c.cluster.CallEveryNamesrv(ctx, req); err != nil {
		return fmt.Errorf("key %s of namespace %s: %w", key, namespace, err)
	}
	return nil
}

// PermCount says how many topics a change of a broker's write permission
// touched at one nameserver.
type PermCount struct {
	Nameserver string `json:"nameserver"`
	Topics     int32  `json:"topics"`
}

// WipeWritePerm makes every nameserver tell that the topics of a broker cannot
// be written. The broker's next full registration undoes it.
func (c *Client) WipeWritePerm(ctx context.Context, broker string) ([]PermCount, error) {
	return c.writePerm(ctx, broker, cluster.Request{
		Code: protocol.ReqWipeWritePermOfBroker, Header: &protocol.WipeWritePermOfBrokerRequest{BrokerName: broker},
	})
}

// AddWritePerm undoes WipeWritePerm.
func (c *Client) AddWritePerm(ctx context.Context, broker string) ([]PermCount, error) {
	return c.writePerm(ctx, broker, cluster.Request{
		Code: protocol.ReqAddWritePermOfBroker, Header: &protocol.AddWritePermOfBrokerRequest{BrokerName: broker},
	})
}

func (c *Client) writePerm(ctx context.Context, broker string, req cluster.Request) ([]PermCount, error) {
	addrs := c.cluster.Nameservers()
	answers, err := c.cluster.CallEveryNamesrv(ctx, req)
	counts := []PermCount{}
	for i, resp := range answers {
		if resp == nil {
			continue
		}
		count := PermCount{Nameserver: addrs[i]}
		for _, name := range []string{"wipeTopicCount", "addTopicCount"} {
			if text, ok := resp.Ext.Get(name); ok {
				_, _ = fmt.Sscan(text, &count.Topics) // an odd number counts as zero
			}
		}
		counts = append(counts, count)
	}
	if err != nil {
		err = fmt.Errorf("write permission of broker %s: %w", broker, err)
	}
	return counts, err
}
