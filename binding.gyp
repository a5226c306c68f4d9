{
  # node-gyp only starts the CMake build, which is the one description of the addon (see CMakeLists.txt).
  "targets": [
    {
      "target_name": "millrace",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/cmake/millrace.node"],
          "action": ["node", "scripts/build-native.mjs"],
        }
      ],
    }
  ]
}
