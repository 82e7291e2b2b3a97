package aerobee.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import aerobee.conformance.harness.Cluster;
import aerobee.conformance.harness.ClusterSpec;
import aerobee.conformance.harness.Clusters;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.header.EndTransactionRequestHeader;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Half messages: committed, rolled back, asked about, given up, and all of that across crashes and changes of the broker. */
class TransactionTest {
    private static final String HALF = "RMQ_SYS_TRANS_HALF_TOPIC";
    private static final String GIVEN_UP = "TRANS_CHECK_MAX_TIME_TOPIC";

    private Cluster cluster;

    @RegisterExtension
    final Rmq mq = new Rmq(() -> cluster);

    @AfterEach
    void stop() {
        if (cluster != null) {
            Cluster c = cluster;
            mq.closeLater(() -> Clusters.close(c));
        }
    }

    /** Checks every second what is older than one. */
    private static ClusterSpec fast() {
        return ClusterSpec.standard().with("transactionCheckInterval", "1000").with("transactionTimeOut", "1000")
            .with("transactionOpBatchInterval", "200").with("flushConsumerOffsetInterval", "200");
    }

    /** Answers what the body or a table says: first in the local transaction, then to checks. */
    private static final class Answers implements TransactionListener {
        final Map<String, LocalTransactionState> checks = new ConcurrentHashMap<>();
        final List<MessageExt> asked = new CopyOnWriteArrayList<>();
        volatile LocalTransactionState otherwise = LocalTransactionState.UNKNOW;

        @Override
        public LocalTransactionState executeLocalTransaction(Message m, Object state) {
            return (LocalTransactionState) state;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt m) {
            asked.add(m);
            return checks.getOrDefault(Rmq.body(m), otherwise);
        }

        List<MessageExt> askedAbout(String body) {
            return asked.stream().filter(m -> Rmq.body(m).equals(body)).toList();
        }
    }

    private static TransactionSendResult send(TransactionMQProducer p, String topic, String body, LocalTransactionState state)
        throws Exception {
        Message m = Rmq.message(topic, "tag", body);
        m.setKeys("key-" + body);
        m.putUserProperty("colour", "red");
        return (TransactionSendResult) p.sendMessageInTransaction(m, state);
    }

    /** The half message, where administrators see it; consumers of the topic do not. */
    private MessageExt half(TransactionSendResult sent) throws Exception {
        PullResult r = mq.pullConsumer(mq.group()).pull(mq.queue(HALF, 0), "*", sent.getQueueOffset(), 1);
        assertEquals(PullStatus.FOUND, r.getPullStatus());
        return r.getMsgFoundList().get(0);
    }

    private Inbox consume(String topic) throws Exception {
        Inbox inbox = new Inbox();
        mq.pushConsumer(mq.group(), c -> {
            c.subscribe(topic, "*");
            c.registerMessageListener(inbox.concurrently());
        });
        return inbox;
    }

    @Test
    void committedIsDeliveredRolledBackIsNot() throws Exception {
        cluster = Clusters.own(fast());
        String topic = mq.topic(2);
        Inbox inbox = consume(topic);
        Answers answers = new Answers();
        String group = mq.group();
        TransactionMQProducer producer = mq.transactionProducer(group, answers);
        TransactionSendResult back = send(producer, topic, "back", LocalTransactionState.ROLLBACK_MESSAGE);
        TransactionSendResult sent = send(producer, topic, "commit", LocalTransactionState.COMMIT_MESSAGE);
        assertEquals(SendStatus.SEND_OK, sent.getSendStatus());
        assertEquals(sent.getMsgId(), sent.getTransactionId());
        assertEquals(topic, sent.getMessageQueue().getTopic());
        assertEquals(back.getQueueOffset() + 1, sent.getQueueOffset(), "the offset in the half queue");

        MessageExt got = inbox.await(1).get(0);
        assertEquals("commit", Rmq.body(got));
        assertEquals(topic, got.getTopic());
        assertEquals(sent.getMessageQueue().getQueueId(), got.getQueueId());
        assertEquals("tag", got.getTags());
        assertEquals("key-commit", got.getKeys());
        assertEquals("red", got.getUserProperty("colour"));
        assertEquals(sent.getMsgId(), got.getMsgId());
        assertEquals(sent.getTransactionId(), got.getTransactionId());
        assertEquals(8, got.getSysFlag() & 0xC);
        MessageExt half = half(sent);
        assertEquals(half.getCommitLogOffset(), got.getPreparedTransactionOffset());
        assertEquals("true", got.getProperty(MessageConst.PROPERTY_TRANSACTION_PREPARED));
        assertEquals(group, got.getProperty(MessageConst.PROPERTY_PRODUCER_GROUP));
        assertNull(got.getProperty(MessageConst.PROPERTY_REAL_TOPIC));

        assertEquals(HALF, half.getTopic());
        assertEquals(0, half.getQueueId());
        assertEquals(0, half.getSysFlag() & 0xC);
        assertEquals(topic, half.getProperty(MessageConst.PROPERTY_REAL_TOPIC));

        // A third one is asked about: by then the other two would have been.
        answers.otherwise = LocalTransactionState.ROLLBACK_MESSAGE;
        send(producer, topic, "third", LocalTransactionState.UNKNOW);
        Rmq.await("the check").until(() -> !answers.askedAbout("third").isEmpty());
        assertTrue(answers.askedAbout("commit").isEmpty() && answers.askedAbout("back").isEmpty(), "asked about what has ended");
        assertEquals(1, inbox.size());
    }

    @Test
    void theUnknownIsAskedAboutUntilItIsKnown() throws Exception {
        cluster = Clusters.own(fast());
        String topic = mq.topic(2);
        Inbox inbox = consume(topic);
        Answers answers = new Answers();
        TransactionMQProducer producer = mq.transactionProducer(mq.group(), answers);
        answers.checks.put("back", LocalTransactionState.ROLLBACK_MESSAGE);
        TransactionSendResult sent = send(producer, topic, "wait", LocalTransactionState.UNKNOW);
        send(producer, topic, "back", LocalTransactionState.UNKNOW);
        Rmq.await("two checks").until(() -> answers.askedAbout("wait").size() >= 2);
        Rmq.await("a check").until(() -> !answers.askedAbout("back").isEmpty());
        MessageExt asked = answers.askedAbout("wait").get(1);
        assertEquals(topic, asked.getTopic());
        assertEquals(sent.getMsgId(), asked.getTransactionId());
        assertEquals("2", asked.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES));
        assertEquals("red", asked.getUserProperty("colour"));
        assertEquals(0, inbox.size());

        answers.checks.put("wait", LocalTransactionState.COMMIT_MESSAGE);
        MessageExt got = inbox.await(1).get(0);
        assertEquals("wait", Rmq.body(got));
        assertEquals(sent.getMsgId(), got.getMsgId());
        assertEquals(1, answers.askedAbout("back").size());
    }

    @Test
    void anotherMemberOfTheGroupIsAsked() throws Exception {
        cluster = Clusters.own(fast());
        String topic = mq.topic(1);
        String group = mq.group();
        Inbox inbox = consume(topic);
        Answers first = new Answers();
        TransactionMQProducer gone = mq.transactionProducer(group, first);
        send(gone, topic, "orphan", LocalTransactionState.UNKNOW);
        gone.shutdown();

        Answers second = new Answers();
        second.otherwise = LocalTransactionState.COMMIT_MESSAGE;
        TransactionMQProducer other = mq.transactionProducer(group, second);
        send(other, topic, "its own", LocalTransactionState.ROLLBACK_MESSAGE); // it learns where the topic is
        inbox.awaitBodies(List.of("orphan"));
        assertEquals(1, inbox.size());
        assertFalse(second.askedAbout("orphan").isEmpty());
    }

    @Test
    void whatIsNeverAnsweredIsGivenUpAndCanBeResumed() throws Exception {
        cluster = Clusters.own(fast().with("transactionCheckMax", "2"));
        String topic = mq.topic(1);
        Inbox inbox = consume(topic);
        Answers answers = new Answers();
        String group = mq.group();
        TransactionMQProducer producer = mq.transactionProducer(group, answers);
        TransactionSendResult sent = send(producer, topic, "undecided", LocalTransactionState.UNKNOW);
        MessageQueue queue = mq.queue(GIVEN_UP, 0);
        DefaultMQPullConsumer consumer = mq.pullConsumer(mq.group());
        PullResult r = Rmq.await("the message given up").ignoreExceptions()
            .until(() -> consumer.pull(queue, "*", 0, 32), x -> x.getPullStatus() == PullStatus.FOUND);
        MessageExt given = r.getMsgFoundList().get(0);
        assertEquals("undecided", Rmq.body(given));
        assertEquals(sent.getMsgId(), given.getMsgId());
        assertEquals(topic, given.getProperty(MessageConst.PROPERTY_REAL_TOPIC));
        assertEquals(group, given.getProperty(MessageConst.PROPERTY_PRODUCER_GROUP));
        assertEquals("2", given.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES));
        assertEquals("red", given.getUserProperty("colour"));
        assertEquals(2, answers.askedAbout("undecided").size());

        answers.otherwise = LocalTransactionState.COMMIT_MESSAGE;
        String id = MessageDecoder.createMessageId(given.getStoreHost(), given.getCommitLogOffset());
        assertTrue(mq.admin().resumeCheckHalfMessage(GIVEN_UP, id));
        inbox.awaitBodies(List.of("undecided"));
        assertEquals(1, inbox.size());
    }

    @Test
    void openTransactionsSurviveACrash() throws Exception {
        cluster = Clusters.own(fast().withSyncFlush());
        String topic = mq.topic(2);
        Answers answers = new Answers();
        TransactionMQProducer producer = mq.transactionProducer(mq.group(), answers);
        List<String> wanted = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            send(producer, topic, "done" + i, LocalTransactionState.COMMIT_MESSAGE);
            send(producer, topic, "open" + i, LocalTransactionState.UNKNOW);
            wanted.add("done" + i);
            wanted.add("open" + i);
        }
        cluster.killBroker();
        answers.checks.putAll(IntStream.range(0, 10).boxed()
            .collect(java.util.stream.Collectors.toMap(i -> "done" + i, i -> LocalTransactionState.COMMIT_MESSAGE)));
        cluster.startBroker();
        answers.otherwise = LocalTransactionState.COMMIT_MESSAGE;
        Inbox inbox = consume(topic);
        inbox.awaitBodies(wanted);
        for (int i = 0; i < 10; i++) {
            String body = "open" + i;
            assertEquals(1, inbox.bodies().stream().filter(body::equals).count(), body);
        }
    }

    @Test
    void wrongRequestsAreRefused() throws Exception {
        cluster = Clusters.own(fast());
        String topic = mq.topic(1);
        String group = mq.group();
        TransactionSendResult sent = send(mq.transactionProducer(group, new Answers()), topic, "x", LocalTransactionState.UNKNOW);
        long offset = half(sent).getCommitLogOffset();
        try (RawConnection raw = new RawConnection(cluster.brokerAddr())) {
            assertEquals("The producer group wrong", end(raw, "another", sent.getQueueOffset(), offset, 8).getRemark());
            assertEquals("The transaction state table offset wrong", end(raw, group, sent.getQueueOffset() + 1, offset, 8).getRemark());
            assertEquals("Find prepared transaction message failed", end(raw, group, sent.getQueueOffset(), 1L << 40, 8).getRemark());
            assertEquals(1, end(raw, group, sent.getQueueOffset(), offset, 7).getCode());
            assertEquals(0, end(raw, group, sent.getQueueOffset(), offset, 12).getCode());
        }
    }

    private static RemotingCommand end(RawConnection raw, String group, long table, long offset, int how) throws Exception {
        EndTransactionRequestHeader h = new EndTransactionRequestHeader();
        h.setProducerGroup(group);
        h.setTranStateTableOffset(table);
        h.setCommitLogOffset(offset);
        h.setCommitOrRollback(how);
        h.setMsgId("id");
        RemotingCommand answer = raw.call(RemotingCommand.createRequestCommand(RequestCode.END_TRANSACTION, h));
        assertNotNull(answer);
        return answer;
    }

    @Test
    void brokersOfBothKindsGoOnWithEachOthersTransactions() throws Exception {
        // However long a slow machine takes, nothing is given up.
        cluster = Clusters.takingTurns(fast().with("mappedFileSizeCommitLog", "1048576").with("transactionCheckMax", "10000"));
        String topic = mq.topic(1);
        Answers answers = new Answers();
        TransactionMQProducer producer = mq.transactionProducer(mq.group(), answers);
        List<String> wanted = new ArrayList<>();
        for (int turn = 0; turn < 4; turn++) { // Apache's, the target's, and again
            if (turn > 0) {
                cluster.stopBroker();
                answers.asked.clear();
                cluster.startBroker();
                mq.awaitRoute(topic);
            }
            // What the other one left open is asked about; half of it ends now.
            if (turn > 0) {
                String ends = "ends" + (turn - 1);
                Rmq.await("check of " + ends).until(() -> !answers.askedAbout(ends).isEmpty());
                answers.checks.put(ends, LocalTransactionState.COMMIT_MESSAGE);
                wanted.add(ends);
                Rmq.await("check of stays0").until(() -> !answers.askedAbout("stays0").isEmpty());
            }
            int t = turn;
            Rmq.await("sends of turn " + turn).ignoreExceptions().until(() -> {
                send(producer, topic, "stays" + t, LocalTransactionState.UNKNOW);
                return true;
            });
            send(producer, topic, "back" + turn, LocalTransactionState.ROLLBACK_MESSAGE);
            send(producer, topic, "commit" + turn, LocalTransactionState.COMMIT_MESSAGE);
            send(producer, topic, "ends" + turn, LocalTransactionState.UNKNOW);
            wanted.add("commit" + turn);
            awaitStored(topic, wanted);
            for (int before = 0; before < turn; before++) {
                int b = before;
                assertTrue(answers.askedAbout("back" + b).isEmpty() && answers.askedAbout("commit" + b).isEmpty(), "asked about what ended in turn " + b);
            }
        }
        answers.otherwise = LocalTransactionState.COMMIT_MESSAGE;
        wanted.addAll(List.of("stays0", "stays1", "stays2", "stays3", "ends3"));
        Inbox inbox = consume(topic);
        inbox.awaitBodies(wanted);
        assertEquals(List.of(), inbox.bodies().stream().filter(b -> !wanted.contains(b)).toList(), "rolled back");
        for (String body : wanted) {
            assertEquals(1, inbox.bodies().stream().filter(body::equals).count(), body);
        }
    }

    private void awaitStored(String topic, List<String> wanted) throws Exception {
        MessageQueue queue = mq.queue(topic, 0);
        Rmq.await(wanted.size() + " messages").ignoreExceptions().until(() -> mq.admin().maxOffset(queue) == wanted.size());
    }
}
