package labkit;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.runtime.io.network.netty.InboundChannelHandlerFactory;
import org.apache.flink.runtime.rest.FileUploadHandler;
import org.apache.flink.shaded.netty4.io.netty.buffer.Unpooled;
import org.apache.flink.shaded.netty4.io.netty.channel.ChannelFutureListener;
import org.apache.flink.shaded.netty4.io.netty.channel.ChannelHandler;
import org.apache.flink.shaded.netty4.io.netty.channel.ChannelHandlerContext;
import org.apache.flink.shaded.netty4.io.netty.channel.ChannelInboundHandlerAdapter;
import org.apache.flink.shaded.netty4.io.netty.handler.codec.http.DefaultFullHttpResponse;
import org.apache.flink.shaded.netty4.io.netty.handler.codec.http.HttpHeaders;
import org.apache.flink.shaded.netty4.io.netty.handler.codec.http.HttpRequest;
import org.apache.flink.shaded.netty4.io.netty.handler.codec.http.HttpResponseStatus;
import org.apache.flink.shaded.netty4.io.netty.handler.codec.http.HttpVersion;
import org.apache.flink.shaded.netty4.io.netty.util.CharsetUtil;
import org.apache.flink.shaded.netty4.io.netty.util.ReferenceCountUtil;

/**
 * Stands before Flink's REST API and asks each request where it comes from.
 *
 * Flink has no password, and POST /v1/jobs runs whatever it is given. Without this, so does any page that the
 * learner's browser shows. Programs send neither Origin nor Sec-Fetch-Site and pass; Flink's own page passes; a link
 * to Flink's page passes. A page of another origin does not, nor does a host name that was made to mean 127.0.0.1.
 * Flink finds this class through META-INF/services (FLIP-181); labkit/setup/origin_filter.py compiles it.
 */
public class OriginFilter implements InboundChannelHandlerFactory {

    public int priority() {
        return 0;
    }

    public Optional createHandler(Configuration configuration, Map responseHeaders) {
        Collection hosts = new HashSet(Arrays.asList(new Object[] {"127.0.0.1", "localhost"}));
        hosts.add(configuration.get(RestOptions.ADDRESS));
        return Optional.of(new Door(hosts));
    }

    /** Lets a request of one connection in, or answers 403 and hangs up. */
    public static class Door extends ChannelInboundHandlerAdapter {

        private final Collection hosts;

        public Door(Collection hosts) {
            this.hosts = hosts;
        }

        public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
            String refusal = message instanceof HttpRequest ? refusal((HttpRequest) message) : null;
            if (refusal == null) {
                context.fireChannelRead(message);
                return;
            }
            FileUploadHandler.getMultipartFileUploads(context).close(); // what it sent was written to disk already
            ReferenceCountUtil.release(message);
            DefaultFullHttpResponse answer = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1,
                    HttpResponseStatus.FORBIDDEN, Unpooled.copiedBuffer(refusal + "\n", CharsetUtil.UTF_8));
            answer.headers().set("Content-Type", "text/plain; charset=utf-8");
            answer.headers().set("Content-Length", String.valueOf(answer.content().readableBytes()));
            answer.headers().set("Connection", "close");
            context.writeAndFlush(answer).addListener(ChannelFutureListener.CLOSE);
        }

        private String refusal(HttpRequest request) {
            HttpHeaders headers = request.headers();
            String host = headers.get("Host");
            if (host == null || !this.hosts.contains(host.replaceFirst(":\\d+$", ""))) {
                return "This lab does not answer to that host name. Use 127.0.0.1.";
            }
            String origin = headers.get("Origin");
            if (origin != null && !origin.equals("http://" + host)) {
                return "This lab does not answer to pages of another origin.";
            }
            String site = headers.get("Sec-Fetch-Site");
            boolean own = site == null || site.equals("same-origin") || site.equals("none");
            boolean link = "GET".equals(request.method().name()) && "navigate".equals(headers.get("Sec-Fetch-Mode"))
                    && "document".equals(headers.get("Sec-Fetch-Dest"));
            return own || link ? null : "This lab does not answer to pages of another origin.";
        }
    }
}
