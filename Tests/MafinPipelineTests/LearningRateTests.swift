import MafinEncoder
import MafinMethod
import Testing

@testable import MafinPipeline

@Suite struct LearningRateTests {
    @Test func lowRankTermsLearnTenTimesAsFast() {
        var settings = CollectionTraining.Settings()
        #expect(settings.peakLearningRate(in: .query) == 1.5e-4)
        #expect(settings.peakLearningRate(in: .block) == 5e-5)
        settings.trained.lowRank = LowRankOptions(rank: 8)
        #expect(settings.peakLearningRate(in: .query) == 10 * 1.5e-4)
        #expect(settings.peakLearningRate(in: .block) == 10 * 5e-5)
    }

    @Test func whatIsAskedForIsUsed() {
        var settings = CollectionTraining.Settings()
        settings.trained.lowRank = LowRankOptions(rank: 8)
        settings.learningRate = 2e-4
        #expect(settings.peakLearningRate(in: .query) == 2e-4)
    }
}
