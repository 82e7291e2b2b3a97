package aerobee.conformance;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.AckCallback;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.PopCallback;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.common.constant.ConsumeInitMode;
import org.apache.rocketmq.common.filter.ExpressionType;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.RequestCode;
import org.apache.rocketmq.remoting.protocol.header.AckMessageRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ChangeInvisibleTimeRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.ExtraInfoUtil;
import org.apache.rocketmq.remoting.protocol.header.NotificationRequestHeader;
import org.apache.rocketmq.remoting.protocol.header.PopMessageRequestHeader;

/** One group that pops one topic, with the requests of the client library and nothing of its own. */
final class Popper {
    private static final long TIMEOUT = 30_000;

    final String topic;
    final String group;
    private final Rmq mq;
    private final MQClientAPIImpl api;

    int queue = -1;
    int most = 32;
    long invisible = 60_000;
    long poll;
    int initMode = ConsumeInitMode.MIN;
    String expression = "*";
    boolean order;
    String attempt;

    Popper(Rmq mq, String topic, String group) throws Exception {
        this.mq = mq;
        this.topic = topic;
        this.group = group;
        api = mq.admin().getDefaultMQAdminExtImpl().getMqClientInstance().getMQClientAPIImpl();
    }

    CompletableFuture<PopResult> popAsync() throws Exception {
        PopMessageRequestHeader h = new PopMessageRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(topic);
        h.setQueueId(queue);
        h.setMaxMsgNums(most);
        h.setInvisibleTime(invisible);
        h.setPollTime(poll);
        h.setBornTime(System.currentTimeMillis());
        h.setInitMode(initMode);
        h.setExpType(ExpressionType.TAG);
        h.setExp(expression);
        h.setOrder(order);
        h.setAttemptId(attempt);
        CompletableFuture<PopResult> f = new CompletableFuture<>();
        api.popMessageAsync(mq.cluster().brokerName(), mq.cluster().brokerAddr(), h, TIMEOUT, new PopCallback() {
            @Override
            public void onSuccess(PopResult result) {
                f.complete(result);
            }

            @Override
            public void onException(Throwable e) {
                f.completeExceptionally(e);
            }
        });
        return f;
    }

    PopResult pop() throws Exception {
        return popAsync().get(TIMEOUT, TimeUnit.MILLISECONDS);
    }

    /** What one pop gives, nothing included. */
    List<MessageExt> take() throws Exception {
        PopResult r = pop();
        return r.getPopStatus() == PopStatus.FOUND ? r.getMsgFoundList() : List.of();
    }

    /** Pops until there are that many messages. */
    List<MessageExt> take(int n) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        Rmq.await(n + " messages").ignoreExceptions().until(() -> {
            all.addAll(take());
            return all.size() >= n;
        });
        return all;
    }

    static String receipt(MessageExt m) {
        return m.getProperty(MessageConst.PROPERTY_POP_CK);
    }

    /** The topic that the message lies in: the one asked for, or a retry topic of it. */
    String realTopic(MessageExt m) {
        return ExtraInfoUtil.getRealTopic(ExtraInfoUtil.split(receipt(m)), topic, group);
    }

    AckResult ack(MessageExt m) throws Exception {
        return ack(m, receipt(m));
    }

    AckResult ack(MessageExt m, String receipt) throws Exception {
        AckMessageRequestHeader h = new AckMessageRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(realTopic(m));
        h.setQueueId(m.getQueueId());
        h.setOffset(m.getQueueOffset());
        h.setExtraInfo(receipt);
        Answer answer = new Answer();
        api.ackMessageAsync(mq.cluster().brokerAddr(), TIMEOUT, answer, h);
        return answer.get();
    }

    AckResult ackAll(List<MessageExt> messages) throws Exception {
        Answer answer = new Answer();
        api.batchAckMessageAsync(mq.cluster().brokerAddr(), TIMEOUT, answer, topic, group, messages.stream().map(Popper::receipt).toList());
        return answer.get();
    }

    AckResult changeInvisible(MessageExt m, long millis) throws Exception {
        ChangeInvisibleTimeRequestHeader h = new ChangeInvisibleTimeRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(realTopic(m));
        h.setQueueId(m.getQueueId());
        h.setOffset(m.getQueueOffset());
        h.setExtraInfo(receipt(m));
        h.setInvisibleTime(millis);
        Answer answer = new Answer();
        api.changeInvisibleTimeAsync(mq.cluster().brokerName(), mq.cluster().brokerAddr(), h, TIMEOUT, answer);
        return answer.get();
    }

    CompletableFuture<Boolean> notification() throws Exception {
        NotificationRequestHeader h = new NotificationRequestHeader();
        h.setConsumerGroup(group);
        h.setTopic(topic);
        h.setQueueId(queue);
        h.setPollTime(poll);
        h.setBornTime(System.currentTimeMillis());
        h.setOrder(order);
        h.setAttemptId(attempt);
        h.setExpType(ExpressionType.TAG);
        h.setExp(expression);
        RemotingCommand request = RemotingCommand.createRequestCommand(RequestCode.NOTIFICATION, h);
        return api.getRemotingClient().invoke(mq.cluster().brokerAddr(), request, TIMEOUT)
            .thenApply(r -> "true".equals(r.getExtFields().get("hasMsg")));
    }

    RemotingCommand call(int code, org.apache.rocketmq.remoting.CommandCustomHeader header) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, header);
        return api.getRemotingClient().invokeSync(mq.cluster().brokerAddr(), request, TIMEOUT);
    }

    private static final class Answer implements AckCallback {
        private final CompletableFuture<AckResult> future = new CompletableFuture<>();

        @Override
        public void onSuccess(AckResult result) {
            future.complete(result);
        }

        @Override
        public void onException(Throwable e) {
            future.completeExceptionally(e);
        }

        AckResult get() throws Exception {
            return future.get(TIMEOUT, TimeUnit.MILLISECONDS);
        }
    }
}
