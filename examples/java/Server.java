import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.livekit.server.WebhookReceiver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/** Receives webhooks with nothing but the JDK and livekit-server. */
public final class Server {
    private final WebhookReceiver receiver;

    private Server(WebhookReceiver receiver) {
        this.receiver = receiver;
    }

    public static void main(String[] args) throws IOException {
        var env = System.getenv();
        var receiver = new WebhookReceiver(env.getOrDefault("API_KEY", "devkey"), env.getOrDefault("API_SECRET", "secret"));
        var port = Integer.parseInt(env.getOrDefault("PORT", "3000"));
        var http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        http.setExecutor(Executors.newFixedThreadPool(4));
        http.createContext("/webhook", new Server(receiver)::webhook);
        http.start();
        System.out.println("receiving at http://localhost:" + port + "/webhook");
    }

    private void webhook(HttpExchange exchange) throws IOException {
        // The body has to stay as it was sent: what is parsed and written again has another digest.
        var body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        var headers = exchange.getRequestHeaders();
        try {
            var event = receiver.receive(body, headers.getFirst("Authorization"));
            System.out.println(String.join(" ", headers.getFirst("Rollcall-Seq"), event.getEvent(), event.getRoom().getName(),
                event.getParticipant().getIdentity()));
            exchange.sendResponseHeaders(204, -1);
        } catch (Exception e) { // the library has no type of its own for what does not verify
            var said = e.toString().getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(401, said.length);
            exchange.getResponseBody().write(said);
        } finally {
            exchange.close();
        }
    }
}
