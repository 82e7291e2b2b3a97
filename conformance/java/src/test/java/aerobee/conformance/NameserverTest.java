package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two nameservers that know nothing of each other: any one of them is enough. */
class NameserverTest {
    private static Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @BeforeAll
    static void start() {
        cluster = Clusters.own(ClusterSpec.standard().withNameservers(2).with("registerNameServerPeriod", "10000"));
    }

    @AfterAll
    static void stop() {
        Clusters.close(cluster);
    }

    private boolean knows(String namesrv, String topic) throws Exception {
        DefaultMQAdminExt admin = new DefaultMQAdminExt(5_000);
        admin.setNamesrvAddr(namesrv);
        admin.setInstanceName(mq.name("one"));
        admin.setAdminExtGroup(mq.name("one"));
        admin.start();
        try {
            return !admin.examineTopicRouteInfo(topic).getBrokerDatas().isEmpty();
        } finally {
            admin.shutdown();
        }
    }

    @Test
    void clientsSurviveTheLossOfEither() throws Exception {
        String topic = mq.topic(2);
        for (String namesrv : cluster.namesrvAddrs()) {
            Rmq.await(namesrv + " knows the topic").ignoreExceptions().until(() -> knows(namesrv, topic));
        }
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        DefaultMQProducer producer = mq.producer();
        producer.send(Rmq.message(topic, "*", "both alive"));
        inbox.awaitBodies(List.of("both alive"));

        for (int dead = 0; dead < 2; dead++) {
            int alive = 1 - dead;
            cluster.killNamesrv(dead);
            String body = "without " + dead;
            assertEquals(SendStatus.SEND_OK, producer.send(Rmq.message(topic, "*", body)).getSendStatus());
            inbox.awaitBodies(List.of(body));

            // Clients and topics that are new now work as well.
            String late = mq.newTopicName();
            DefaultMQProducer newcomer = mq.producer();
            // A new client may try the dead one first and fail once.
            Rmq.await("first send of a new client").ignoreExceptions().until(
                () -> newcomer.send(Rmq.message(late, "*", "late")).getSendStatus() == SendStatus.SEND_OK);
            Rmq.await("new topic").ignoreExceptions().until(() -> knows(cluster.namesrvAddrs().get(alive), late));

            cluster.startNamesrv(dead);
            String namesrv = cluster.namesrvAddrs().get(dead);
            Rmq.await("the broker registers again").ignoreExceptions().until(() -> knows(namesrv, topic) && knows(namesrv, late));
        }
    }
}
