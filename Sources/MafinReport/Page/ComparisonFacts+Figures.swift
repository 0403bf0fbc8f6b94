extension ComparisonFacts {
    /// The main figures of the page as SVG files for slides and documents, with their names. They follow the reader's light or dark mode. Figures
    /// without facts are missing.
    public func figures() -> [(name: String, svg: String)] {
        let page = ReportPage(facts: self)
        return [
            ("differences", page.differencePlot?.svgFile()), ("head-to-head", page.headToHeadPlot?.svgFile()),
            ("learning-curve", page.learningPlot?.svgFile()), ("lambda", page.lambdaPlot?.svgFile()),
        ].compactMap { name, svg in svg.map { (name, $0) } }
    }
}
