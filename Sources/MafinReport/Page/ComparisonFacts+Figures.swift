extension ComparisonFacts {
    /// The figures of the page that stand for themselves, for slides and documents: names, and files of their own (SVG, light and
    /// dark as the reader has it). Those without facts are not there.
    public func figures() -> [(name: String, svg: String)] {
        let page = ReportPage(self)
        return [
            ("differences", page.differencePlot?.svgFile()),
            ("head-to-head", page.headToHeadPlot?.svgFile()),
            ("learning-curve", page.learningPlot?.svgFile()),
            ("lambda", page.lambdaPlot?.svgFile()),
        ].compactMap { name, svg in svg.map { (name, $0) } }
    }
}
