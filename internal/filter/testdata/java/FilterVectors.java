import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.rocketmq.filter.SqlFilter;
import org.apache.rocketmq.filter.expression.EvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;
import org.apache.rocketmq.filter.expression.MQFilterException;

/**
 * Writes what Apache's rocketmq-filter says about expressions. Lines of tab separated fields, with \t, \n, \r, \f, \\ and
 * \\uXXXX for what is not plain: "E expression error", the error empty if it compiles; then for each message
 * "P name value ... result", the result being T, F, N (null) or X (an exception). Run:
 * java -cp rocketmq-filter.jar:rocketmq-common.jar:guava.jar:... FilterVectors.java | gzip -9n > vectors.tsv.gz
 */
public class FilterVectors {
    static final Random R = new Random(20);

    static final String[] NAMES = {"a", "b", "c", "TAGS", "_x$1"};

    static final String[] VALUES = {
        "1", "5", "05", "+5", "-5", "5.0", "5.5", "5f", "5d", "5D", "5F", "5l", " 5", "5 ", "\u00055\u0006", "0x5", "0x5p0", "0X1.8P2f", "0x.8p1",
        "0x1.p1", "0x.p1", "0xp1", "0x5", "NaN", "+NaN", "-NaN", "nan", "NaNf", "Infinity", "-Infinity", "infinity", "Infinityd", "1e3", "1E+3", "1e-3",
        "1e", "1e+", "e1", ".5", "5.", ".", "+", "-", "1.2.3", "1_0", "--5", "+-5", "- 5", "-0.0", "0.0", "0", "-0", "00", "1e400", "-1e400", "1e-400",
        "1e99999999999", "1e-99999999999", "0e99999999999", "2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807",
        "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "9007199254740993", "99999999999999999999", "true", "TRUE", "True",
        "false", "tru", " true", "abc", "ab", "b", "x", "'", "it's", "", "\u0665", "\uff15", "\u0665\uff15", "\u0966.5", "\u4e2d\u6587", "\ud83d\ude00",
        "\ud835\udfd3", "K", "d", "f", "5df", "1.7976931348623157e308", "1.7976931348623159e308", "4.9e-324", "2.4e-324", "0.1", "0.10000000000000000001",
        "0x1p-1074", "0x1p-1075", "0x1.00000000000001p-1", "0x1p1024", "1e5", "100000", "1,5", "5%", "\u00a05", "5\u2003", "3.0e0f", "123456789012345678",
    };

    static final String[] LITERALS = {
        "1", "5", "0", "5L", "5l", "0l", "007", "10", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "5.0", "5.5", "5.", ".5",
        "1e3", "1E-3", "0.0", "00.5", "1e400", "1e-400", "1.5e10", "1e7", "9999999.5", "0.001", "0.0009", "123456789.125", "100.0", "4.9e-324", "1e22",
        "'5'", "'5.0'", "''", "'abc'", "'it''s'", "'true'", "'x'", "'\u4e2d\u6587'", "'\ud83d\ude00'", "'a\nb'", "'\\'", "TRUE", "FALSE", "NULL", "true", "null",
    };

    static final String[] STRINGS = {"'a'", "'5'", "'b'", "''", "'abc'", "'it''s'", "'\u4e2d'", "'true'", "'NaN'"};

    static String pick(String[] list) {
        return list[R.nextInt(list.length)];
    }

    static String blank() {
        switch (R.nextInt(24)) {
            case 0: return "\t";
            case 1: return "\n";
            case 2: return " /* c */ ";
            case 3: return " -- c\n";
            case 4: return "\r\n";
            case 5: return "\f";
            default: return " ";
        }
    }

    static String word(String w) {
        return R.nextInt(6) == 0 ? w.toLowerCase() : w;
    }

    static String list() {
        StringBuilder b = new StringBuilder("(").append(pick(STRINGS));
        for (int n = R.nextInt(7); n > 0; n--) {
            b.append(",").append(blank()).append(pick(STRINGS));
        }
        return b.append(")").toString();
    }

    static String primary(int depth) {
        int k = R.nextInt(10);
        if (k < 5) {
            return pick(NAMES);
        }
        if (k < 8 || depth <= 0) {
            return pick(LITERALS);
        }
        return "(" + or(depth - 1) + ")";
    }

    static String unary(int depth) {
        switch (R.nextInt(16)) {
            case 0: return "- " + unary(depth - 1);
            case 1: return "+ " + unary(depth - 1);
            case 2: return word("NOT") + blank() + unary(depth - 1);
            default: return primary(depth);
        }
    }

    static String comparison(int depth) {
        StringBuilder b = new StringBuilder(unary(depth));
        int n = R.nextInt(5) == 0 ? 0 : R.nextInt(12) == 0 ? 2 : 1;
        while (n-- > 0) {
            String not = R.nextInt(3) == 0 ? word("NOT") + blank() : "";
            b.append(blank());
            switch (R.nextInt(9)) {
                case 0: b.append(">").append(blank()).append(unary(depth - 1)); break;
                case 1: b.append(">=").append(blank()).append(unary(depth - 1)); break;
                case 2: b.append("<").append(blank()).append(unary(depth - 1)); break;
                case 3: b.append("<=").append(blank()).append(unary(depth - 1)); break;
                case 4: b.append(not).append(word("CONTAINS")).append(blank()).append(pick(STRINGS)); break;
                case 5: b.append(not).append(word("STARTSWITH")).append(blank()).append(pick(STRINGS)); break;
                case 6: b.append(not).append(word("ENDSWITH")).append(blank()).append(pick(STRINGS)); break;
                case 7: b.append(not).append(word("BETWEEN")).append(blank()).append(unary(depth - 1)).append(blank()).append(word("AND")).append(blank())
                    .append(unary(depth - 1)); break;
                default: b.append(not).append(word("IN")).append(blank()).append(list()); break;
            }
        }
        return b.toString();
    }

    static String equality(int depth) {
        StringBuilder b = new StringBuilder(comparison(depth));
        int n = R.nextInt(3) == 0 ? R.nextInt(3) : 0;
        while (n-- > 0) {
            b.append(blank());
            switch (R.nextInt(4)) {
                case 0: b.append(word("IS")).append(blank()).append(word("NULL")); break;
                case 1: b.append("IS NOT NULL"); break;
                case 2: b.append("<>").append(blank()).append(comparison(depth - 1)); break;
                default: b.append("=").append(blank()).append(comparison(depth - 1)); break;
            }
        }
        return b.toString();
    }

    static String and(int depth) {
        StringBuilder b = new StringBuilder(equality(depth));
        for (int n = R.nextInt(3) == 0 ? R.nextInt(3) : 0; n > 0; n--) {
            b.append(blank()).append(word("AND")).append(blank()).append(equality(depth - 1));
        }
        return b.toString();
    }

    static String or(int depth) {
        StringBuilder b = new StringBuilder(and(depth));
        for (int n = R.nextInt(3) == 0 ? R.nextInt(3) : 0; n > 0; n--) {
            b.append(blank()).append(word("OR")).append(blank()).append(and(depth - 1));
        }
        return b.toString();
    }

    static final String NOISE = "'()=<>!-+/*.,;%&|\"\\#@[]{}~`^? \t\nab59eElLNOT\u00e9\u4e2d\ud83d\ude00\u0001\u007f";

    /** Takes something out of an expression, puts something in, or cuts it off. */
    static String mutated(String s) {
        StringBuilder b = new StringBuilder(s);
        for (int n = 1 + R.nextInt(2); n > 0; n--) {
            int at = R.nextInt(b.length() + 1);
            switch (R.nextInt(4)) {
                case 0: if (at < b.length()) { b.deleteCharAt(at); } break;
                case 1: int i = R.nextInt(NOISE.length()); b.insert(at, NOISE.charAt(i)); break;
                case 2: b.setLength(at); break;
                default: b.insert(at, " " + pick(new String[] {"NOT", "AND", "IS", "IN", "BETWEEN", "NULL", "(", ")", "=", ">", "'x'", "5", "--", "/*", "LIKE"}) + " ");
            }
        }
        return b.toString();
    }

    static final String[] CHOSEN = {
        "", " ", "\n", "\t", "\r\n\t", "a", "a garbage", "a = 1 garbage", "a = 007", "a LIKE 'x'", "a + 1 = 2", "NOT a = 1", "a >", "a > \n", "a !", "a != 5", "a !\n",
        "a = 'x''", "a = 'x", "'", "''", "a /* b", "a /**/ = 5", "a /*/ = 5 */ > 3", "a /***/ > 3", "a -- x", "a -- x\n> 3", "a -- x\r> 3", "a -- x\r\n> 3",
        "--\n--\r\na > 3", "a > 3 --", "-- a\n", "a . b", ".", "a .", "/", "a / b", "a NOT x", "a NOT", "a IS x", "a IS NOT x", "a IS NOT", "a IS", "IS NULL",
        "NULL", "TRUE", "FALSE", "TRUE = 1", "1 = TRUE", "TRUE = a", "a = TRUE", "a = FALSE", "a <> TRUE", "NULL = a", "a = NULL", "NULL IS NULL", "5 IS NULL",
        "a > 'b'", "a > TRUE", "a > 1 > 2", "a > NULL", "a BETWEEN '1' AND '5'", "a BETWEEN 5 AND 1", "a BETWEEN 5.5 AND 1", "a BETWEEN NULL AND 1",
        "a BETWEEN 1 AND NULL", "a BETWEEN 'x' AND TRUE", "a BETWEEN TRUE AND 'x'", "a BETWEEN 'x' AND 5", "a BETWEEN 5 AND 'x'", "a BETWEEN 5 AND '9'",
        "a BETWEEN 1.5 AND 'x'", "a BETWEEN 1.5 AND ' '", "a BETWEEN 'x' AND 1.5", "a BETWEEN '9' AND 5", "a BETWEEN 5 AND TRUE", "a BETWEEN FALSE AND TRUE",
        "a BETWEEN TRUE AND FALSE", "a BETWEEN 5 OR 6", "a BETWEEN 5", "a BETWEEN b AND c", "a NOT BETWEEN 5 AND 1", "a NOT BETWEEN 1 AND 5", "5 BETWEEN a AND b",
        "5 IN ('5')", "a IN (5)", "a IN ()", "a IN ('a'", "a IN ('a',", "a IN ('a' 'b')", "a IN 'a'", "(a) IN ('5')", "-a IN ('5')", "'5' IN ('5')", "a NOT IN",
        "a NOT IN ('5','x','b','true','abc','')", "a IN ('5','x','b','true','abc','')", "(a > 5) IN ('5')", "a IN ('1') > 5", "1", "'x'", "1.5", "1e10", "- 5", "-a", "-(a > 5)",
        "-TRUE", "NOT 5", "NOT 'x'", "NOT -a", "a AND 5", "5 AND a", "a OR 'x'", "a AND b", "a OR b", "NOT a", "NOT NOT a IS NULL", "- - 5 = a", "- -5=a", "--5=a",
        "+a > 5", "+ + a > 5", "+(a > 5)", "+(a > )", "+(a > 'b')", "+(a > 'b') !", "+ + ! ", "+", "+ +", "+ NOT", "+(a NOT x)", "+(a IS x)", "+(a = 'x) ", "+5 = a",
        "a > -5", "a > - 5.5", "a = -5", "a < -2147483648", "a > -TRUE", "a CONTAINS 5", "a CONTAINS", "a CONTAINS ''", "a NOT CONTAINS ''", "5 CONTAINS '5'",
        "(a > 5) CONTAINS 'x'", "'abc' CONTAINS 'b'", "(a = b) = (b = c)", "(a > 5) = TRUE", "(a > 5) = 'true'", "'true' = (a > 5)", "(a > 5) = 5", "a = b", "a <> b",
        "a > b", "a = b AND c = 5 OR NOT a = 5", "(a > 5 AND b > 5) > 5", "(a = 5 OR b = 5 OR c = 5) > 1", "(NOT a) > 1", "(a <> 5) > 1", "(a IS NOT NULL) > 1",
        "(a BETWEEN 1 AND 5) > 1", "(a NOT BETWEEN 1 AND 5) > 1", "(a CONTAINS 'x') > 1", "(a NOT ENDSWITH 'x') > 1", "a > (- (5))", "(- (5)) AND a", "a AND (- 5.5)",
        "(a", "a)", "((a > 5)", "()", ")", "(", ",", "=", "= 5", "a = = 5", "a = 5 = 5", "a = 5 = TRUE", "a IS NULL IS NULL", "a IS NULL = TRUE", "a = 5 AND", "a = 5 OR",
        "a = 5 AND OR", "AND", "NOT", "NOT NOT", "NOT =", "a NOT NOT IN ('x')", "a IN NOT", "BETWEEN", "a > > 5", "a < > 5", "a <> 5", "a => 5", "a =< 5", "a <= 5", "a > = 5",
        "A = 5", "_x$1 = 5", "$ = 5", "a$b = 5", "notx = 5", "inx = 5", "ANDY = 5 and a = 5", "NOT(a=5)", "NOT(a)=5", "a=5and b=5", "a=5OR b=5", "a IN('5')and b='5'", "5=5", "5=5.0",
        "5=5L", "5='5'", "'5'=5", "'5'='5'", "5.0='5'", "'x'=5", "5='x'", "TRUE=TRUE", "TRUE=FALSE", "TRUE='true'", "'true'=TRUE", "5>4", "5>4.5", "4.5>4", "'5'>4", "9999999999>5",
        "5>9999999999", "a>9999999999", "a=9999999999", "a=5.5", "a=0.1", "5.5=a", "a<0.1", "1e400 = a", "1e-400=a", "0.0 = a", "9223372036854775808 = a", "9223372036854775807L = a",
        "5LL = a", "5e = a", "5ea = a", "5.e3 = a", "5..3 = a", "5.5.5 = a", "a = .", "a = .e3", "a = 5.e", "\u00e9 = 5", "a = \u00e9", "\ud83d\ude00", "a = '\ud83d\ude00' \ud83d\ude00",
        "\u0001", "a \" 5", "a \\ 5", "a\u00a0= 5", "a > 5 AND b = 'x'", "TAGS = 'x' AND (a BETWEEN 1 AND 10 OR b IN ('x','y','z'))",
        "a\n>\n\tx y z >", "a >\n\t\t!", "a =\r\n\tIS", "a = 1 OR\tb >\t", "a = 'it''s'", "a = ''''", "a = '''", "a = 'a''b''c", "a ENDSWITH '\u00e9", "a = 'b\" c' =",
    };

    static String escaped(String s) {
        StringBuilder b = new StringBuilder();
        for (char c : s.toCharArray()) {
            switch (c) {
                case '\\': b.append("\\\\"); break;
                case '\t': b.append("\\t"); break;
                case '\n': b.append("\\n"); break;
                case '\r': b.append("\\r"); break;
                default:
                    if (c < ' ' || c > '~') {
                        b.append(String.format("\\u%04x", (int) c));
                    } else {
                        b.append(c);
                    }
            }
        }
        return b.toString();
    }

    static char evaluate(Expression e, Map<String, String> message) {
        try {
            Object r = e.evaluate(new EvaluationContext() {
                @Override
                public Object get(String name) {
                    return message.get(name);
                }

                @Override
                public Map<String, Object> keyValues() {
                    return new HashMap<>(message);
                }
            });
            return r == null ? 'N' : r == Boolean.TRUE ? 'T' : r == Boolean.FALSE ? 'F' : '?';
        } catch (Throwable t) {
            return 'X';
        }
    }

    static Map<String, String> message() {
        Map<String, String> m = new LinkedHashMap<>();
        for (String name : NAMES) {
            if (R.nextInt(4) != 0) {
                String v = R.nextInt(3) == 0 ? pick(new String[] {"5", "x", "5.0", "true", "1"}) : pick(VALUES);
                if (!v.isEmpty()) {
                    m.put(name, v);
                }
            }
        }
        return m;
    }

    static void vector(PrintStream out, String expression, List<Map<String, String>> messages) {
        Expression e = null;
        String error = "";
        try {
            e = new SqlFilter().compile(expression);
        } catch (MQFilterException ex) {
            error = ex.getMessage();
        }
        out.println("E\t" + escaped(expression) + "\t" + escaped(error));
        if (e == null) {
            return;
        }
        for (Map<String, String> m : messages) {
            StringBuilder b = new StringBuilder("P");
            m.forEach((k, v) -> b.append('\t').append(k).append('\t').append(escaped(v)));
            out.println(b.append('\t').append(evaluate(e, m)));
        }
    }

    static List<Map<String, String>> messages(int n) {
        List<Map<String, String>> list = new ArrayList<>();
        while (n-- > 0) {
            list.add(message());
        }
        return list;
    }

    public static void main(String[] args) {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String s : CHOSEN) {
            vector(out, s, messages(8));
        }
        List<Map<String, String>> values = new ArrayList<>();
        for (String v : VALUES) {
            values.add(v.isEmpty() ? Map.of() : Map.of("a", v));
        }
        for (String s : new String[] {"a = 5", "a > 4", "a <= 5.5", "a = 5.0", "5 = a", "a > 2147483647", "a = 9223372036854775807", "5.5 >= a", "a = TRUE", "a > a",
            "a = a", "a <> 5", "a IN ('5')", "a CONTAINS '5'", "a BETWEEN 1 AND 5.5", "a BETWEEN 1 AND 9999999999"}) {
            vector(out, s, values);
        }
        for (int i = 0; i < 3000; i++) {
            vector(out, or(3), messages(4));
        }
        for (int i = 0; i < 3000; i++) {
            vector(out, mutated(or(2)), messages(1));
        }
        out.flush();
    }
}
