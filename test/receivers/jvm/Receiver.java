import com.google.gson.Gson;
import com.google.gson.JsonObject;
import io.livekit.server.WebhookReceiver;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;

/** Verifies the vectors in the file that is the first argument. */
public final class Receiver {
    public static void main(String[] args) throws Exception {
        var receiver = new WebhookReceiver(System.getenv("API_KEY"), System.getenv("API_SECRET"));
        var gson = new Gson();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            var vector = gson.fromJson(line, JsonObject.class);
            var body = new String(Base64.getDecoder().decode(vector.get("body").getAsString()), StandardCharsets.UTF_8);
            var token = vector.getAsJsonObject("headers").get("authorization");
            var said = new JsonObject();
            said.add("name", vector.get("name"));
            try {
                var event = receiver.receive(body, token == null ? null : token.getAsString());
                said.addProperty("accepted", true);
                said.addProperty("event", event.getEvent());
                said.addProperty("id", event.getId());
            } catch (Exception e) { // whatever the library throws is its verdict
                said.addProperty("accepted", false);
                said.addProperty("error", e.toString());
            }
            System.out.println(gson.toJson(said));
        }
    }
}
