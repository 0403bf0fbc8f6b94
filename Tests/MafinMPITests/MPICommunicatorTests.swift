import MafinMethod
import Testing

@testable import MafinMPI

/// Without a launcher. `Scripts/test-mpi.sh` runs the program under real ones.
@Suite("MPI: joining")
struct MPICommunicatorTests {
    @Test func oneProcessNeedsNoLibrary() throws {
        for environment in [[:], ["OMPI_COMM_WORLD_SIZE": "1"], ["PMI_SIZE": "4", "MAFIN_MPI": "off"]] {
            let alone = try MPICommunicator.join(environment: environment)
            #expect(alone.count == 1 && alone.rank == 0 && alone.isFirst)
        }
        #expect(MPICommunicator.launched(["OMPI_COMM_WORLD_SIZE": "2"]) == 2)
        #expect(MPICommunicator.launched(["PMI_SIZE": "3"]) == 3)
        // srun with and without an MPI.
        #expect(MPICommunicator.launched(["PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "4"]) == 4)
        #expect(MPICommunicator.launched(["PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "1"]) == nil)
        #expect(MPICommunicator.launched(["SLURM_STEP_NUM_TASKS": "4"]) == nil)
    }

    @Test func aMissingLibraryIsNamed() throws {
        let environment = ["OMPI_COMM_WORLD_SIZE": "2", "MAFIN_MPI_LIBRARY": "/nowhere/libmpi.so"]
        let error = #expect(throws: TrainingError.self) { try MPICommunicator.join(environment: environment) }
        #expect("\(try #require(error))".contains("/nowhere/libmpi.so"))
    }
}
