package protocol

// Language is the implementation language of a peer; its value is the byte of
// the binary header.
type Language uint8

// Languages. The numbers are Java's.
const (
	LanguageJava   Language = 0
	LanguageCPP    Language = 1
	LanguageDotnet Language = 2
	LanguagePython Language = 3
	LanguageDelphi Language = 4
	LanguageErlang Language = 5
	LanguageRuby   Language = 6
	LanguageOther  Language = 7
	LanguageHTTP   Language = 8
	LanguageGo     Language = 9
	LanguagePHP    Language = 10
	LanguageOMS    Language = 11
	LanguageRust   Language = 12
	LanguageNodeJS Language = 13

	// LanguageNone is a language the peer named but nobody knows: Java's null.
	LanguageNone Language = 0xff
)

var languageNames = names{
	"JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS", "RUST",
	"NODE_JS",
}

// String returns the name used in JSON headers, empty for a language nobody
// knows.
func (l Language) String() string {
	if int(l) >= len(languageNames) {
		return ""
	}
	return languageNames[l]
}

// MarshalText returns the name; empty text stands for null.
func (l Language) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText accepts names in any case and numbers; anything else becomes
// LanguageNone. It never fails.
func (l *Language) UnmarshalText(text []byte) error {
	*l = LanguageNone
	if i := languageNames.find(text); i >= 0 {
		*l = Language(i)
	}
	return nil
}

// LanguageOf returns the language for the byte of a binary header; bytes that
// mean nothing give LanguageNone.
func LanguageOf(b byte) Language {
	if int(b) >= len(languageNames) {
		return LanguageNone
	}
	return Language(b)
}
