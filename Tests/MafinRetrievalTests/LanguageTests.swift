import Foundation
import Testing

@testable import MafinRetrieval

@Suite struct LanguageTests {
    /// Every language with a stemmer except English, whose words are in `stems.tsv`.
    static let stemmed: [Language] = [.german, .french, .spanish, .italian, .dutch, .portuguese, .russian]

    @Test(arguments: stemmed)
    func stemsEqualPyStemmer(_ language: Language) throws {
        var count = 0
        let lines = String(decoding: try Golden.data("stems-\(language.rawValue).tsv"), as: UTF8.self)
        for line in lines.split(separator: "\n") {
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            #expect(language.stem(String(columns[0])) == columns[1], "\(columns[0])")
            count += 1
        }
        #expect(count >= 300)
        for word in ["", "a", "x1", "日本", "\u{1F600}"] { #expect(language.stem(word) == word, "\(word)") }
    }

    @Test func languagesHaveNamesAndCodes() {
        #expect(Language(named: "German") == .german && Language(named: "DE") == .german)
        #expect(Language(named: "other") == .other && Language(named: "klingon") == nil && Language(named: "") == nil)
        for language in Language.allCases {
            #expect(language.code.flatMap(Language.init(named:)) ?? .other == language)
        }
        #expect(Language.portuguese.name == "Portuguese")
    }

    // MARK: Words

    private func terms(_ text: String, _ language: Language) -> [String] {
        TextAnalyzer(language: language).terms(in: text)
    }

    /// Umlauts and `ß`, their spellings in ASCII, capital letters and marks behind letters give the same terms.
    @Test(arguments: [
        ("Häuser", "haus"), ("HÄUSER", "haus"), ("Ha\u{308}user", "haus"), ("Haeuser", "haus"), ("Haus", "haus"),
        ("Straße", "strass"), ("STRASSE", "strass"), ("STRAẞE", "strass"), ("Straßen", "strass"),
        ("größer", "gross"), ("Größe", "gross"), ("groesser", "gross"), ("Müller", "mull"), ("Mueller", "mull"),
        ("Kra\u{AD}nken\u{AD}haus", "krankenhaus"), ("quer", "quer"), ("Quelle", "quell"), ("neue", "neu"),
    ])
    func germanSpellingsAreOneTerm(_ word: String, _ stem: String) {
        #expect(terms(word, .german) == [stem])
    }

    /// Compounds are words of their own, with their endings stemmed.
    @Test func germanCompoundsStayWhole() {
        #expect(terms("Donaudampfschifffahrtsgesellschaften", .german) == ["donaudampfschifffahrtsgesellschaft"])
        #expect(terms("Kühlwasserpumpen", .german) == terms("Kühlwasserpumpe", .german))
        #expect(terms("Kühlwasserpumpe", .german) != terms("Pumpe", .german))
        #expect(terms("Pumpen-Gehäuse", .german) == ["pump", "gehaus"])
    }

    @Test func germanStopWordsAreLeftOut() {
        #expect(
            terms("Wie wird die Pumpe für das Kühlwasser über dem Tank eingeschaltet?", .german) == [
                "pump", "kuhlwass", "tank", "eingeschalt",
            ])
        #expect(terms("the pumps are in the tank", .german).contains("the"))
    }

    /// As Lucene's `CJKAnalyzer`: pairs of neighbours within a run, a lone character as it is, other scripts as words.
    @Test(arguments: [
        ("東京都", ["東京", "京都"]), ("東", ["東"]), ("東京 都", ["東京", "都"]), ("東京、大阪。", ["東京", "大阪"]),
        ("日本語のテキスト", ["日本", "本語", "語の", "のテ", "テキ", "キス", "スト"]),
        ("GPU搭載PC 2台", ["gpu", "搭載", "pc", "台"]), ("ＧＰＵ１００", ["gpu100"]), ("ｶﾞｲﾄﾞ", ["ガイ", "イド"]),
        ("か\u{3099}く", ["がく"]), ("コーヒー", ["コー", "ーヒ", "ヒー"]), ("人々", ["人々"]), ("北京・上海", ["北京", "上海"]),
        ("한국어 문서", ["한국", "국어", "문서"]), ("\u{1112}\u{1161}\u{11AB}\u{1100}\u{116E}\u{11A8}", ["한국"]),
        ("𠮷野家", ["𠮷野", "野家"]), ("", []), ("、。", []),
    ])
    func textsWithoutSpacesBecomePairs(_ text: String, _ expected: [String]) {
        for language in [Language.chinese, .japanese, .korean] {
            #expect(terms(text, language) == expected, "\(language)")
        }
    }

    /// Runs of other scripts are handled in every language but English, which reads texts as bm25s does.
    @Test func scriptsMayBeMixed() {
        #expect(terms("Die Pumpen von 東京都", .german) == ["pump", "東京", "京都"])
        #expect(terms("Die Pumpen von 東京都", .other) == ["die", "pumpen", "von", "東京", "京都"])
        #expect(terms("pumps of 東京都", .english) == ["pump", "東京都"])
    }

    /// Vowels of Hindi, Thai and the like are marks, and belong to their words.
    @Test func marksBelongToTheirWords() {
        #expect(terms("हिन्दी भाषा", .other) == ["हिन्दी", "भाषा"])
        #expect(terms("İstanbul", .other) == ["istanbul"])
        #expect(terms("ΟΔΟΣ\u{345}", .other).count == 1)
        #expect(terms("میخواهم می\u{200C}خواهم", .other) == ["میخواهم", "میخواهم"])
        #expect(terms("ab\u{200B}cd", .other) == ["ab", "cd"])
    }

    @Test func queriesAreReadAsDocuments() {
        let texts = ["Die Häuser der Straße", "Ein Haus am See", "東京都の家", "Nichts davon"]
        for language in Language.allCases {
            let analyzer = TextAnalyzer(language: language)
            let index = InvertedIndex(texts: texts, analyzer: analyzer)
            for (row, text) in texts.enumerated() {
                let found = index.terms(ofQuery: text).map(index.term)
                #expect(found == analyzer.terms(in: text), "\(language)")
                #expect(found.count == Int(index.documentLengths[row]))
            }
        }
        let german = BM25(texts: texts, analyzer: TextAnalyzer(language: .german))
        #expect(Set(german.ranking(of: "das Haus", count: 4).map(\.index)) == [0, 1])
        #expect(BM25(texts: texts).ranking(of: "das Haus", count: 4).map(\.index) == [1])
    }

    // MARK: Stop words

    @Test func stopWordsAreWordsAsTextsHaveThem() {
        for language in Language.allCases {
            let words = StopWords.words(of: language)
            #expect(words.isEmpty == [.chinese, .japanese, .korean, .other].contains(language))
            let all = TextAnalyzer(language: language, stopWords: [], stems: false)
            for word in words where word != "a" { #expect(all.terms(in: word) == [word], "\(language)") }
            #expect(TextAnalyzer(language: language).terms(in: words.joined(separator: " ")).isEmpty)
        }
    }

    // MARK: Guesses

    @Test(arguments: [
        (
            Language.english,
            "The pump is switched on with the switch at the side, and it will then run without a break for an hour."
        ),
        (.german, "Die Pumpe wird mit dem Schalter an der Seite eingeschaltet und läuft dann eine Stunde ohne Pause."),
        (
            .french,
            "La pompe est mise en marche avec l’interrupteur qui se trouve sur le côté, et elle fonctionne ensuite sans pause."
        ),
        (
            .spanish,
            "La bomba se enciende con el interruptor que está en el lado y luego funciona durante una hora sin parar."
        ),
        (
            .italian,
            "La pompa si accende con l'interruttore che si trova sul lato della macchina e poi funziona per un'ora senza pausa."
        ),
        (
            .dutch,
            "De pomp wordt met de schakelaar aan de zijkant ingeschakeld en loopt dan een uur zonder dat het apparaat stopt."
        ),
        (
            .portuguese,
            "A bomba é ligada com o interruptor que está no lado da máquina e depois funciona uma hora sem parar, como as outras."
        ),
        (
            .russian,
            "Насос включается выключателем, который находится на боковой стороне, и затем работает целый час без перерыва."
        ),
        (.chinese, "水泵由侧面的开关打开，然后不间断地运行一个小时。"),
        (.japanese, "ポンプは側面のスイッチで電源が入り、その後一時間休まずに動きます。"),
        (.korean, "펌프는 옆면의 스위치로 켜지고 한 시간 동안 쉬지 않고 작동합니다."),
        (.other, "تعمل المضخة بواسطة المفتاح الموجود على الجانب ثم تعمل لمدة ساعة دون توقف."),
        (.other, "Η αντλία ενεργοποιείται με τον διακόπτη στο πλάι και λειτουργεί για μία ώρα χωρίς διακοπή."),
        (.other, "Насос вмикається вимикачем, який знаходиться збоку, і потім працює цілу годину без перерви."),
        (.other, "Сорғы бүйіріндегі қосқышпен іске қосылады, содан кейін бір сағат бойы үздіксіз жұмыс істейді."),
        (.other, "Помпата се включва с ключа отстрани и след това работи един час без прекъсване."),
    ])
    func languagesAreGuessed(_ language: Language, _ text: String) {
        for texts in [[text], [text, text], ["", text, "§ 12"]] {
            let guess = LanguageGuess(of: texts)
            #expect(guess.language == language && guess.isSure, "\(guess)")
            #expect(guess.texts == texts.count)
        }
    }

    /// Without words that tell, texts are read as they were before languages were told apart.
    @Test(arguments: [
        [], [""], ["w1 w2 f3"], ["vitamin dosag num num num mg signific associ num cell num gene express"], ["123 456"],
        ["Pumpen startas med strömbrytaren på sidan och går sedan en timme utan paus."],
    ])
    func withoutKnownWordsTheGuessIsEnglish(_ texts: [String]) {
        let guess = LanguageGuess(of: texts)
        #expect(guess.language == .english && !guess.isSure)
    }

    @Test func aMixedCollectionIsNotSure() {
        let german = "Die Pumpe wird mit dem Schalter an der Seite eingeschaltet und läuft dann ohne Pause."
        let english = "The pump is switched on with the switch at the side, and it will then run without a break."
        #expect(!LanguageGuess(of: [german, english, english]).isSure)
        #expect(LanguageGuess(of: [german] + Array(repeating: english, count: 9)).isSure)
        // The sample is spread over all texts.
        let late = LanguageGuess(of: Array(repeating: "", count: 5_000) + Array(repeating: german, count: 5_000))
        #expect(late.language == .german && late.texts == 200)
    }
}
