package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/aerobee/aerobee/client/admin"
)

func configVerbs() []verb { return slices.Concat(brokerConfigVerbs(), namesrvConfigVerbs()) }

func keyAndValue() (key, value flag) {
	return must(text("k", "key", "key")), must(text("v", "value", "value"))
}

func brokerConfigVerbs() []verb {
	key, value := keyAndValue()
	return []verb{
		{
			name: "getBrokerConfig", short: "Show the configuration of brokers",
			flags: []flag{onBroker(), onCluster()}, either: []string{"brokerAddr", "clusterName"},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				t := target(in)
				t.Replicas = true
				configs, err := c.BrokerConfigs(ctx, t)
				return configReport(configs), err
			},
		},
		{
			name: "updateBrokerConfig", short: "Change a key in the configuration of brokers",
			flags: []flag{
				onBroker(), onCluster(), key, value,
				boolean("a", "updateAllBroker", "false", "of a cluster, the replicas too"),
			},
			either: []string{"brokerAddr", "clusterName"},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				t := target(in)
				t.Replicas = in.on("updateAllBroker")
				done, err := c.UpdateBrokerConfig(ctx, t, in.text("key"), in.text("value"))
				return doneReport(in.text("key")+"="+in.text("value"), done), err
			},
		},
	}
}

func namesrvConfigVerbs() []verb {
	key, value := keyAndValue()
	namespace := must(text("s", "namespace", "namespace"))
	return []verb{
		{
			name: "getNamesrvConfig", short: "Show the configuration of the nameservers",
			run: func(ctx context.Context, c *admin.Client, _ input) (report, error) {
				configs, err := c.NamesrvConfigs(ctx)
				return configReport(configs), err
			},
		},
		{
			name: "updateNamesrvConfig", short: "Change a key in the configuration of every nameserver",
			flags: []flag{key, value},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				if err := c.UpdateNamesrvConfig(ctx, in.text("key"), in.text("value")); err != nil {
					return report{}, err
				}
				return doneReport(in.text("key")+"="+in.text("value"), c.Nameservers()), nil
			},
		},
		{
			name: "updateKvConfig", short: "Set a key in the key-value store of every nameserver",
			flags: []flag{namespace, key, value},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				if err := c.PutKVConfig(ctx, in.text("namespace"), in.text("key"), in.text("value")); err != nil {
					return report{}, err
				}
				return doneReport(fmt.Sprintf("%s: %s=%s", in.text("namespace"), in.text("key"), in.text("value")), c.Nameservers()), nil
			},
		},
		{
			name: "deleteKvConfig", short: "Delete a key from the key-value store of every nameserver",
			flags: []flag{namespace, key},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				if err := c.DeleteKVConfig(ctx, in.text("namespace"), in.text("key")); err != nil {
					return report{}, err
				}
				return doneReport(fmt.Sprintf("%s: %s deleted", in.text("namespace"), in.text("key")), c.Nameservers()), nil
			},
		},
		{
			name: "wipeWritePerm", short: "Make the nameservers tell that a broker's topics cannot be written",
			flags: []flag{must(text("b", "brokerName", "broker name"))},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				counts, err := c.WipeWritePerm(ctx, in.text("brokerName"))
				return permReport(counts), err
			},
		},
		{
			name: "addWritePerm", short: "Undo wipeWritePerm",
			flags: []flag{must(text("b", "brokerName", "broker name"))},
			run: func(ctx context.Context, c *admin.Client, in input) (report, error) {
				counts, err := c.AddWritePerm(ctx, in.text("brokerName"))
				return permReport(counts), err
			},
		},
	}
}

func configReport(configs []admin.Config) report {
	r := report{}
	for _, config := range configs {
		r.data = configs
		r.tables = append(r.tables, sortedTable(config.Addr, config.Values))
	}
	return r
}

func permReport(counts []admin.PermCount) report {
	r := report{}
	v := view{header: []any{"nameserver", "topics"}}
	for _, count := range counts {
		r.data = counts
		v.add(count.Nameserver, count.Topics)
	}
	r.tables = []view{v}
	return r
}
