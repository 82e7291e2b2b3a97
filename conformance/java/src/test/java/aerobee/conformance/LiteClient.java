package aerobee.conformance;

import aerobee.conformance.harness.Cluster;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.impl.ClientRemotingProcessor;
import org.apache.rocketmq.client.impl.mqclient.MQClientAPIExt;
import org.apache.rocketmq.common.lite.LiteSubscriptionAction;
import org.apache.rocketmq.common.lite.LiteSubscriptionDTO;
import org.apache.rocketmq.common.lite.OffsetOption;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyRequestProcessor;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.NotifyUnsubscribeLiteRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PopLiteMessageRequestHeader;

/**
 * A subscriber to lite topics that talks to a broker as Apache's proxy does, with the proxy's own client class: one
 * connection, one client id.
 */
final class LiteClient implements AutoCloseable {
    private static final long TIMEOUT = 10_000;

    private final Cluster cluster;
    private final MQClientAPIExt api;
    private final BlockingQueue<NotifyUnsubscribeLiteRequestHeader> lost = new LinkedBlockingQueue<>();

    final String id;
    final String group;
    final String parent;

    LiteClient(Cluster cluster, String id, String group, String parent) {
        this.cluster = cluster;
        this.id = id;
        this.group = group;
        this.parent = parent;
        ClientConfig config = new ClientConfig();
        config.setNamesrvAddr(cluster.namesrvAddr());
        config.setInstanceName(id);
        api = new MQClientAPIExt(config, new NettyClientConfig(), new ClientRemotingProcessor(null), null);
        api.getRemotingClient().registerProcessor(RequestCode.NOTIFY_UNSUBSCRIBE_LITE, new NettyRequestProcessor() {
            @Override
            public RemotingCommand processRequest(io.netty.channel.ChannelHandlerContext ctx, RemotingCommand request) throws Exception {
                lost.add((NotifyUnsubscribeLiteRequestHeader) request.decodeCommandCustomHeader(NotifyUnsubscribeLiteRequestHeader.class));
                return null;
            }

            @Override
            public boolean rejectRequest() {
                return false;
            }
        }, java.util.concurrent.Executors.newSingleThreadExecutor(r -> {
            Thread t = new Thread(r, "lite-notify");
            t.setDaemon(true);
            return t;
        }));
        api.start();
    }

    void subscribe(LiteSubscriptionAction action, OffsetOption from, String... lite) throws Exception {
        LiteSubscriptionDTO dto = new LiteSubscriptionDTO().setAction(action).setClientId(id).setGroup(group).setTopic(parent)
            .setLiteTopicSet(Set.of(lite));
        dto.setOffsetOption(from);
        api.syncLiteSubscriptionAsync(cluster.brokerAddr(), dto, TIMEOUT).get(TIMEOUT, TimeUnit.MILLISECONDS);
    }

    void add(String... lite) throws Exception {
        subscribe(LiteSubscriptionAction.PARTIAL_ADD, null, lite);
    }

    void setAll(String... lite) throws Exception {
        subscribe(LiteSubscriptionAction.COMPLETE_ADD, null, lite);
    }

    PopLiteMessageRequestHeader request(int max, long invisible, long poll) {
        PopLiteMessageRequestHeader h = new PopLiteMessageRequestHeader();
        h.setClientId(id);
        h.setConsumerGroup(group);
        h.setTopic(parent);
        h.setMaxMsgNum(max);
        h.setInvisibleTime(invisible);
        h.setPollTime(poll);
        h.setBornTime(System.currentTimeMillis());
        return h;
    }

    CompletableFuture<PopResult> popAsync(PopLiteMessageRequestHeader h) {
        return api.popLiteMessageAsync(cluster.brokerAddr(), cluster.brokerName(), h, h.getPollTime() + TIMEOUT);
    }

    /** The messages of one pop, none if there are none. */
    List<MessageExt> pop(PopLiteMessageRequestHeader h) throws Exception {
        List<MessageExt> found = popAsync(h).get(h.getPollTime() + TIMEOUT, TimeUnit.MILLISECONDS).getMsgFoundList();
        return found == null ? List.of() : found;
    }

    List<MessageExt> pop(int max, long invisible, long poll) throws Exception {
        return pop(request(max, invisible, poll));
    }

    static String liteTopicOf(MessageExt m) {
        return m.getProperty(MessageConst.PROPERTY_LITE_TOPIC);
    }

    static String receiptOf(MessageExt m) {
        return m.getProperty(MessageConst.PROPERTY_POP_CK);
    }

    AckResult ack(String lite, String receipt, long offset) throws Exception {
        AckMessageRequestHeader h = new AckMessageRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(parent);
        h.setQueueId(0);
        h.setExtraInfo(receipt);
        h.setOffset(offset);
        h.setLiteTopic(lite);
        return api.ackMessageAsync(cluster.brokerAddr(), h, TIMEOUT).get(TIMEOUT, TimeUnit.MILLISECONDS);
    }

    AckResult ack(MessageExt m) throws Exception {
        return ack(liteTopicOf(m), receiptOf(m), m.getQueueOffset());
    }

    AckResult changeInvisible(MessageExt m, long time, boolean suspend) throws Exception {
        ChangeInvisibleTimeRequestHeader h = new ChangeInvisibleTimeRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(parent);
        h.setQueueId(0);
        h.setExtraInfo(receiptOf(m));
        h.setOffset(m.getQueueOffset());
        h.setInvisibleTime(time);
        h.setLiteTopic(liteTopicOf(m));
        h.setSuspend(suspend);
        return api.changeInvisibleTimeAsync(cluster.brokerAddr(), cluster.brokerName(), h, TIMEOUT).get(TIMEOUT, TimeUnit.MILLISECONDS);
    }

    /** A request without a class for it: header fields and an answer. */
    RemotingCommand invoke(int code, Map<String, String> fields) throws Exception {
        RemotingCommand c = RemotingCommand.createRequestCommand(code, null);
        c.setExtFields(new java.util.HashMap<>(fields));
        return api.getRemotingClient().invokeSync(cluster.brokerAddr(), c, TIMEOUT);
    }

    /** The next lite topic that another client took over; null when none was within the time. */
    NotifyUnsubscribeLiteRequestHeader lost(long millis) throws InterruptedException {
        return lost.poll(millis, TimeUnit.MILLISECONDS);
    }

    MQClientAPIExt api() {
        return api;
    }

    @Override
    public void close() {
        api.shutdown();
    }
}
