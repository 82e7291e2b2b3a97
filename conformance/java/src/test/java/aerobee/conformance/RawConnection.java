package aerobee.conformance;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** A bare TCP connection that speaks frames, or whatever else a test wants to say. */
final class RawConnection implements AutoCloseable {
    private final Socket socket = new Socket();
    private final OutputStream out;
    private final DataInputStream in;

    RawConnection(String addr) throws IOException {
        int colon = addr.lastIndexOf(':');
        socket.connect(new InetSocketAddress(addr.substring(0, colon), Integer.parseInt(addr.substring(colon + 1))), 5000);
        socket.setSoTimeout(10_000);
        socket.setTcpNoDelay(true);
        out = socket.getOutputStream();
        in = new DataInputStream(socket.getInputStream());
    }

    void write(byte[] bytes) throws IOException {
        out.write(bytes);
        out.flush();
    }

    /** Writes what the peer may refuse to read to the end. */
    void writeIgnoringReset(byte[] bytes) {
        try {
            write(bytes);
        } catch (IOException e) {
            // The server closed already: what the test wants to see.
        }
    }

    static byte[] frame(RemotingCommand command) {
        ByteBuffer b = command.encode();
        byte[] bytes = new byte[b.remaining()];
        b.get(bytes);
        return bytes;
    }

    RemotingCommand read() throws Exception {
        byte[] frame = new byte[in.readInt()];
        in.readFully(frame);
        return RemotingCommand.decode(frame);
    }

    RemotingCommand call(RemotingCommand request) throws Exception {
        write(frame(request));
        return read();
    }

    /** Whether the server closes the connection within ten seconds without an answer. */
    boolean closedByServer() throws IOException {
        try {
            return in.read() < 0;
        } catch (EOFException | SocketException e) {
            return true;
        } catch (SocketTimeoutException e) {
            return false;
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
