import adql.parser.ADQLParser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** What adql-java says of queries: a query in base 64 a line, `yes` or `no` and a reason a line. */
public class Verdicts {
  public static void main(String[] arguments) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    String line;
    while ((line = in.readLine()) != null) {
      var query = new String(Base64.getDecoder().decode(line), StandardCharsets.UTF_8);
      String answer;
      try {
        new ADQLParser().parseQuery(query);
        answer = "yes";
      } catch (Exception | Error problem) {
        // Whatever goes wrong in it is its answer.
        answer = "no: " + String.valueOf(problem.getMessage()).replaceAll("\\s+", " ");
      }
      out.println(answer);
    }
  }
}
