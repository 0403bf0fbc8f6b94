// What a program needs to train, compare and use an artefact: the three modules, and those whose types stand in their interfaces.
@_exported import MafinBlackBox
@_exported import MafinComparison
@_exported import MafinEncoder
@_exported import MafinMethod
@_exported import MafinNumerics
@_exported import MafinPipeline
@_exported import MafinRetrieval
