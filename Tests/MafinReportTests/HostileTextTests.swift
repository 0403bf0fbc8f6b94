import Foundation
import MafinRetrieval
import Testing

@testable import MafinReport

/// Hostile texts in the data.
enum Hostile {
    static let texts = [
        "<script>alert('x')</script>", "\"'><img src=x onerror=alert(1)>", "</style></title><h1>taken over</h1>",
        "&lt;b&gt; &amp;",
        "שלום \u{202E}txet desrever\u{202C} עולם", "👩‍🔬 e\u{301}\u{200B} 日本語",
        "nul \u{0} bell \u{7} escape \u{1B}[31m \u{FFFE} \u{85}",
        "]]> <!-- --> <![CDATA[", "| `a` | *b* _c_ [d](javascript:alert(1)) \\ # e",
    ]

    /// The text with all of them around it, followed by 10,000 characters without a space.
    static func mangled(_ text: String) -> String {
        texts.joined(separator: " ") + " " + text + " " + String(repeating: "long<&", count: 1_700)
    }
}

@Suite struct HostileTextTests {
    @Test func nothingBecomesATag() throws {
        let facts = SampleFacts.whole(foreign: Hostile.mangled)
        let html = facts.html()
        let plain = try PageTree(SampleFacts.whole().html()).root
        let page = try PageTree(html).root
        #expect(page.all("script").count == 1 && page.all("img").isEmpty && page.all("h1").count == 1)
        #expect(page.all("style").count == 1)
        // The same elements as with harmless texts, except for the collapsed rest of long texts.
        func names(_ page: PageTree.Node) -> [String: Int] {
            var counts: [String: Int] = [:]
            for node in page.descendants
            where !["details", "summary", "span", "p", "strong", "small"].contains(node.name) {
                counts[node.name, default: 0] += 1
            }
            return counts
        }
        #expect(names(page) == names(plain))
        for control in ["\u{0}", "\u{7}", "\u{1B}", "\u{FFFE}", "\u{85}"] {
            #expect(!html.unicodeScalars.contains(control.unicodeScalars.first ?? " "))
        }
    }

    @Test func longTextsAreCutAndTheirRestIsOnDemand() throws {
        let page = try PageTree(SampleFacts.whole(foreign: Hostile.mangled).html()).root
        let texts = try #require(page.descendants.first { $0.classes.contains("texts") })
        let passage = try #require(texts.all("dd").first)
        let rest = try #require(passage.all("details").first)
        #expect(rest.attributes["open"] == nil)
        #expect(passage.all("span")[0].text.count == 600)
        // Nothing is lost: the start and the rest make the whole text, with control characters replaced.
        let whole = passage.all("span")[0].text + rest.all("span")[0].text
        #expect(whole.count > 10_000 && whole.contains("long<&long<&") && whole.contains("<script>alert('x')</script>"))
    }

    @Test func textsKeepTheirDirection() throws {
        let page = try PageTree(SampleFacts.whole(foreign: Hostile.mangled).html()).root
        let foreign = page.descendants.filter { $0.text.contains("שלום") && $0.children.isEmpty }
        #expect(foreign.count > 20)
        for node in foreign where !["title", "desc", "text", "code", "summary"].contains(node.name) {
            func isIsolated(_ node: PageTree.Node?) -> Bool {
                guard let node else { return false }
                return node.attributes["dir"] == "auto" || isIsolated(node.parent)
            }
            // Headings, settings and reasons are the user's own words and need no isolation; texts of the data do.
            guard ["dd", "dt", "span", "p", "a"].contains(node.name), node.parent?.name != "caption" else { continue }
            #expect(isIsolated(node), "\(node.name) \(node.attributes)")
        }
    }

    @Test func markdownShowsThemAsTheyAre() {
        let lines = SampleFacts.whole(foreign: Hostile.mangled).markdown().split(
            separator: "\n", omittingEmptySubsequences: false)
        for line in lines {
            // Outside code, no tag and no link may begin.
            #expect(!line.replacing("\\<", with: "").replacing(/<br>/, with: "").contains("<script"))
            #expect(!line.contains("[d](javascript"))
        }
        let widths = lines.filter { $0.hasPrefix("| ") }.map {
            $0.replacing("\\|", with: "").split(separator: "|").count
        }
        #expect(!widths.isEmpty)
    }

    @Test func jsonHoldsThemUnchanged() throws {
        let facts = SampleFacts.whole(foreign: Hostile.mangled)
        let read = try ComparisonFacts(json: Data(try facts.json().utf8), path: "facts.json")
        #expect(read == facts)
    }

    @Test(arguments: [
        ("plain", "plain"), ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;"), ("tab\tnew\nline", "tab\tnew\nline"),
        ("\u{0}\u{1F}\u{7F}\u{9F}\u{FFFF}", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"), ("é日本👍", "é日本👍"),
    ])
    func escaping(_ text: String, _ expected: String) {
        #expect(text.escapedForMarkup == expected)
    }
}
