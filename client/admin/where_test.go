package admin

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aerobee/aerobee/client"
)

func deadLetter() *DeadLetter {
	return &DeadLetter{
		MessageView: &client.MessageView{
			Body: []byte("the body"), ReconsumeTimes: 17,
			Properties: map[string]string{"TAGS": "paid", "KEYS": "k1 k2", "UNIQ_KEY": "ID", "region": "eu west", "price": "12.5"},
		},
		Origin: "Orders", Reason: ReasonMaxAttempts,
	}
}

func TestWhere(t *testing.T) {
	check := func(text string, want bool) {
		t.Helper()
		w, err := ParseWhere(text)
		require.NoError(t, err, text)
		require.Equal(t, want, w.Holds(deadLetter()), text)
	}
	check("", true)
	check("tag=paid", true)
	check("tag='paid'", true)
	check("tag != paid", false)
	check("key=k2", true)
	check("key!=k2", false)
	check("key=k1 and key=k2", true)
	check("key~k", true)
	check("id=ID AND origin=Orders and reason=MAX_ATTEMPTS", true)
	check("attempts>=17", true)
	check("attempts>17", false)
	check("attempts<17.5 and attempts<=17", true)
	check("prop.region='eu west'", true)
	check("prop.region!='it''s'", true)
	check("prop.none=", true)
	check("prop.none=''", true)
	check("prop.price>12 and prop.price<13", true)
	check("prop.region>1", false)
	check("tag>1", false)
	check("body~'the'", true)
	check("body~x", false)
}

func TestWhereMistakes(t *testing.T) {
	check := func(text, want string) {
		t.Helper()
		_, err := ParseWhere(text)
		require.ErrorContains(t, err, want, text)
	}
	check("colour=red", `at byte 1 of the condition: there is no name "colour"`)
	check("prop.=red", `there is no name "prop."`)
	check("tag", `must be a name, an operator and a value`)
	check("=x", `must be a name, an operator and a value`)
	check("tag x", "after tag an operator must follow")
	check("tag='x", "is not closed")
	check("tag=x'y", "a quote in the middle")
	check("attempts>many", `compares numbers, and "many" is none`)
	check("tag=a or tag=b", `at byte 7 of the condition: "or tag=b", where "and"`)
	check("tag=a and", `where "and"`)
	check("tag=a and nope=b", "at byte 11 of the condition: there is no name")
	check(strings.Repeat("tag=a and ", 32)+"tag=a", "more than 32 comparisons")
	check("tag="+strings.Repeat("a", 4096), "has 4100 bytes, limit 4096")
}

func FuzzWhere(f *testing.F) {
	f.Add("tag='a b' and attempts>=3 and prop.x!='it''s'")
	f.Fuzz(func(_ *testing.T, text string) {
		if w, err := ParseWhere(text); err == nil {
			w.Holds(deadLetter())
		}
	})
}
