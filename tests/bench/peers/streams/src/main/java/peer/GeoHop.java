package peer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.maxmind.db.CHMCache;
import com.maxmind.db.Reader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** The geolocate hop in Kafka Streams, exactly-once v2; no validation, no tracing, no custody. */
public final class GeoHop {
  private final ObjectMapper json = new ObjectMapper();
  private final Reader geo;

  private GeoHop(File database) throws IOException {
    geo = new Reader(database, Reader.FileMode.MEMORY, new CHMCache());
  }

  private byte[] locate(byte[] value) {
    try {
      ObjectNode tip = (ObjectNode) json.readTree(value);
      JsonNode address = tip.at("/content/indicators/addresses/0/ip");
      tip.put("country", geo.get(InetAddress.getByName(address.asText()), String.class));
      return json.writeValueAsBytes(tip);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("application.id", "streams-" + args[1]);
    settings.put("bootstrap.servers", System.getenv("KAFKA"));
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", "100");
    settings.put("auto.offset.reset", "earliest");
    settings.put("producer.linger.ms", "5");
    settings.put("producer.batch.size", "262144");
    settings.put("state.dir", System.getProperty("java.io.tmpdir") + "/streams-" + args[1]);
    GeoHop hop = new GeoHop(new File(args[2]));
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(args[0], Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .mapValues(hop::locate)
        .to(args[1], Produced.with(Serdes.String(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
