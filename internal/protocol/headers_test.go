package protocol

import (
	"bufio"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lines returns the lines of a file below testdata/java, split at spaces.
func lines(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/java/" + name)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var out [][]string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		out = append(out, strings.Fields(sc.Text()))
	}
	return out
}

// tag is a parsed rmq tag.
type tag struct {
	name, short string
	required    bool
}

func parseTag(t *testing.T, f reflect.StructField) tag {
	t.Helper()
	text, ok := f.Tag.Lookup("rmq")
	require.True(t, ok, f.Name)
	parts := strings.Split(text, ",")
	out := tag{name: parts[0]}
	for _, p := range parts[1:] {
		switch {
		case p == "required":
			out.required = true
		case strings.HasPrefix(p, "short="):
			out.short = p[len("short="):]
		default:
			t.Fatalf("%s: unknown option %q", f.Name, p)
		}
	}
	return out
}

// goTypes lists what a Java field may be in Go.
var goTypes = map[string][]reflect.Type{
	"String":       {of[string]()},
	"int":          {of[int32](), of[Opt[int32]]()},
	"Integer":      {of[int32](), of[Opt[int32]]()},
	"long":         {of[int64](), of[Opt[int64]]()},
	"Long":         {of[int64](), of[Opt[int64]]()},
	"boolean":      {of[bool](), of[Opt[bool]]()},
	"Boolean":      {of[bool](), of[Opt[bool]]()},
	"BoundaryType": {of[string]()},
}

// relaxed are fields that Java's contract calls required and its handlers do
// without; see rule 3 in the package comment. Booleans need no mention.
var relaxed = map[string]bool{
	"SendMessageRequestHeader.defaultTopic":               true,
	"SendMessageRequestHeader.defaultTopicQueueNums":      true,
	"SendMessageRequestHeaderV2.c":                        true,
	"SendMessageRequestHeaderV2.d":                        true,
	"EndTransactionRequestHeader.msgId":                   true,
	"CreateTopicRequestHeader.defaultTopic":               true,
	"GetAllTopicConfigRequestHeader.topicSeq":             true,
	"GetAllSubscriptionGroupRequestHeader.groupSeq":       true,
	"GetRouteInfoRequestHeader.topic":                     true,
	"PutKVConfigRequestHeader.value":                      true,
	"ElectMasterRequestHeader.clusterName":                true,
	"ElectMasterRequestHeader.brokerName":                 true,
	"ElectMasterRequestHeader.brokerId":                   true,
	"GetAllSubscriptionGroupResponseHeader.totalGroupNum": true,
}

func TestHeadersFollowJava(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range lines(t, "headers.txt") {
		class := l[0]
		typ, ok := javaHeaders[class]
		require.True(t, ok, "no type for %s", class)
		seen[class] = true
		if len(l) == 1 {
			continue
		}
		name, javaType, required := l[1], l[2], l[3] == "required"
		found := false
		for i := range typ.NumField() {
			f := typ.Field(i)
			g := parseTag(t, f)
			if g.name != name && (g.short != name || class != "SendMessageRequestHeaderV2") {
				continue
			}
			found = true
			require.Contains(t, goTypes[javaType], f.Type, "%s.%s", class, name)
			if f.Type.Kind() != reflect.Bool && !relaxed[class+"."+name] {
				require.Equal(t, required, g.required, "%s.%s required", class, name)
			}
		}
		require.True(t, found, "%s.%s is missing", class, name)
	}
	for class := range javaHeaders {
		require.True(t, seen[class], "%s is not a Java class", class)
	}
}

// TestHeaderTags checks what package remoting relies on: known field types,
// unique names, one-letter short names.
func TestHeaderTags(t *testing.T) {
	allowed := []reflect.Type{
		of[string](), of[int32](), of[int64](), of[bool](),
		of[Opt[string]](), of[Opt[int32]](), of[Opt[int64]](), of[Opt[bool]](),
	}
	for class, typ := range javaHeaders {
		seen := map[string]bool{}
		for i := range typ.NumField() {
			f := typ.Field(i)
			require.True(t, slices.Contains(allowed, f.Type), "%s.%s", class, f.Name)
			g := parseTag(t, f)
			for _, n := range []string{g.name, g.short} {
				if n == "" {
					continue
				}
				require.False(t, seen[n], "%s: %s twice", class, n)
				seen[n] = true
			}
			require.LessOrEqual(t, len(g.short), 1)
			require.False(t, g.required && strings.HasPrefix(f.Type.Name(), "Opt["), "%s.%s: required Opt", class, f.Name)
		}
	}
}

// TestSendShortNames pins the letters of the short form, all of which Java
// clients send.
func TestSendShortNames(t *testing.T) {
	want := "a=producerGroup b=topic c=defaultTopic d=defaultTopicQueueNums e=queueId f=sysFlag g=bornTimestamp " +
		"h=flag i=properties j=reconsumeTimes k=unitMode l=maxReconsumeTimes m=batch n=bname"
	var got []string
	typ := of[SendMessageRequest]()
	for i := range typ.NumField() {
		if g := parseTag(t, typ.Field(i)); g.short != "" {
			got = append(got, g.short+"="+g.name)
		}
	}
	require.Equal(t, want, strings.Join(got, " "))
}
