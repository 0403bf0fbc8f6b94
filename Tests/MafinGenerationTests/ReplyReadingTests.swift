import Testing

@testable import MafinGeneration

/// Replies as models really write them when they are asked for JSON.
@Suite struct ReplyReadingTests {
    @Test(arguments: [
        #"{"queries":[{"style":"question","text":"How tall is it?"},{"style":"keywords","text":"height tower"}]}"#,
        "```json\n{\"queries\": [{\"style\": \"question\", \"text\": \"How tall is it?\"}, {\"style\": \"keywords\", \"text\": \"height tower\"}]}\n```",
        "Sure! Here you go [2 searches]:\n\n{\"queries\":[{\"text\":\"How tall is it?\"},{\"text\":\"height tower\"}]}\nHope it helps.",
        #"<think>{"queries":[{"text":"no"}]} hm</think>{"queries":[{"text":"How tall is it?"},{"text":"height tower"}]}"#,
        #"first I think</think>["How tall is it?", "height tower"]"#,
        #"{"queries":["How tall is it?","height tower"]}"#,
        #"{"question":["How tall is it?"],"keywords":["height tower"]}"#,
        #"{"queries":[{"style":"question","text":"How tall is it?"},{"style":"keywords","text":"height tower"},{"style":"situation","te"#,
        "1. How tall is it?\n2. height tower",
        "- \"How tall is it?\"\n- \"height tower\"\n",
        "Here are the searches:\n\n**Question:** How tall is it?\n**Keywords:** height tower",
    ])
    func findsQueries(reply: String) {
        #expect(ReplyReading.queries(in: reply).map(\.text).sorted() == ["How tall is it?", "height tower"])
    }

    @Test func keepsStylesAndEscapes() {
        let found = ReplyReading.queries(
            in: #"{"queries":[{"style":"Situation","text":"a \"b\" \u00e9"},{"style":"other","text":"x"}]}"#)
        #expect(found.map(\.style) == [.situation, nil] && found[0].text == "a \"b\" é")
        #expect(
            ReplyReading.queries(in: #"{"queries":[{"text":"a \"b\" \u00e9"},{"text":"cut"#).map(\.text) == [
                "a \"b\" é"
            ])
    }

    @Test(arguments: [#"{"queries":[]}"#, "[]", "", "<think>nothing</think>"])
    func aReplyWithoutQueriesGivesNone(reply: String) {
        #expect(ReplyReading.queries(in: reply).isEmpty)
    }

    @Test(arguments: [
        (#"{"grades":[3,0,2]}"#, [3, 0, 2]), ("```\n{\"grades\": [\"3\", 0, 2]}\n```", [3, 0, 2]),
        ("[3, 0, 2]", [3, 0, 2]),
        ("3\n0\n2", [3, 0, 2]), (#"{"grades":[{"grade":3},{"grade":0},{"grade":2}]}"#, [3, 0, 2]),
    ])
    func findsGrades(reply: String, grades: [Int]) {
        #expect(ReplyReading.grades(in: reply) == grades)
    }

    @Test func aReplyWithoutGradesGivesNil() {
        #expect(ReplyReading.grades(in: "I cannot say") == nil)
    }
}
