import MafinRetrieval

extension ComparisonFacts {
    /// The facts as one self-contained page. It loads no other file and nothing from the network, and it works without its script.
    public func html() -> String { ReportPage(facts: self).markup.document }

    /// The main figures, as far as there are facts for them, as SVG files for slides and documents. They follow the reader's light or dark mode.
    public func figures() -> [(name: String, svg: String)] {
        let page = ReportPage(facts: self)
        return [
            ("differences", page.differencePlot?.svgFile()), ("head-to-head", page.headToHeadPlot?.svgFile()),
            ("asking", page.askingPlot?.svgFile()), ("learning-curve", page.learningPlot?.svgFile()),
            ("lambda", page.lambdaPlot?.svgFile()),
        ].compactMap { name, svg in svg.map { (name, $0) } }
    }
}

/// Builds the page from the facts. A section without facts is not in the page.
struct ReportPage {
    let facts: ComparisonFacts

    var summary: EvaluationSummary { EvaluationSummary(facts) }

    /// A part of the page, with its entry in the list of contents.
    struct Section {
        var id: StaticString
        var title: String
        var content: Markup
    }

    var sections: [Section] {
        [
            systems, headToHead, subsets, offline, perQuery, examples, training, lambda, learningCurve, scores, data,
            quality,
            provenance, omissions,
        ].compactMap(\.self)
    }

    var markup: Markup {
        let sections = sections
        return element("html", ["xmlns": "http://www.w3.org/1999/xhtml", "lang": "en"]) {
            element("head") {
                element("meta", ["charset": "utf-8"])
                element("meta", ["http-equiv": "Content-Security-Policy", "content": PageStyle.policy])
                element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
                element("meta", ["name": "generator", "content": "mafin"])
                // Without an icon of its own, browsers request /favicon.ico.
                element("link", ["rel": "icon", "href": "data:,"])
                element("title") { facts.title }
                element("style") { Markup.trusted(PageStyle.source) }
            }
            element("body") {
                element("a", ["class": "skip", "href": "#\(sections.first?.id.description ?? "main")"]) {
                    "Skip to the figures"
                }
                element("header", ["class": "column"]) { verdict }
                element("main", ["class": "column", "id": "main"]) {
                    element("nav", ["aria-label": "Sections"]) {
                        element("ul") {
                            for section in sections {
                                element("li") { element("a", ["href": "#\(section.id)"]) { section.title } }
                            }
                        }
                    }
                    for section in sections {
                        element("section", ["id": section.id.description, "aria-labelledby": "\(section.id)-h"]) {
                            element("h2", ["id": "\(section.id)-h"]) { section.title }
                            section.content
                        }
                    }
                }
                element("footer", ["class": "column"]) {
                    "Written by mafin; the same facts are in the JSON (schema \(facts.schema), version \(facts.schemaVersion)). "
                    "Nothing in this page comes from the network."
                }
                element("script") { Markup.trusted(PageStyle.script) }
            }
        }
    }

    func title(of system: String) -> String { facts.title(of: system) }

    func finding(_ difference: MetricDifference) -> EvaluationSummary.Finding { summary.finding(difference) }

    /// `95 %`.
    var confidence: String { Number.percent(facts.statistics?.confidenceLevel ?? 0.95) }
}
