import MafinNumerics

enum ScaleFit {
    static func fit(blackBox: Matrix?, local: Matrix, labels: BlockLabels) throws -> ScoreScale {
        blackBox == nil ? ScoreScale(blackBox: 0, local: 20) : ScoreScale(blackBox: 10, local: 10)
    }
}
