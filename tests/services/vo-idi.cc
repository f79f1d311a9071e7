// What casacore reads of a FITS-IDI file: it becomes a MeasurementSet, of which a line is printed for each thing.
#include <casacore/casa/Exceptions.h>
#include <casacore/ms/MeasurementSets.h>
#include <casacore/msfits/MSFits/MSFitsIDI.h>
#include <iostream>

using namespace casacore;

int main(int, char** arguments) {
  const String file = arguments[1], set = arguments[2];
  try {
    {
      MSFitsIDI idi(file, set, True);
      idi.fillMS();
    }
    std::cout.precision(15);
    const Table main(set);
    const ArrayColumn<Complex> data(main, "DATA");
    const Complex all = sum(data.getColumn());
    std::cout << "= rows " << main.nrow() << "\n= sum " << all.real() << " " << all.imag() << "\n";
    const ScalarColumn<Double> time(main, "TIME");
    std::cout << "= times " << min(time.getColumn()) << " " << max(time.getColumn()) << "\n";
    const Table antennas(set + "/ANTENNA");
    const ScalarColumn<String> name(antennas, "NAME");
    const ScalarColumn<Double> diameter(antennas, "DISH_DIAMETER");
    for (rownr_t row = 0; row < antennas.nrow(); row++)
      std::cout << "= antenna " << name(row) << " " << diameter(row) << "\n";
    const Table fields(set + "/FIELD");
    const ScalarColumn<String> source(fields, "NAME");
    for (rownr_t row = 0; row < fields.nrow(); row++) std::cout << "= source " << source(row) << "\n";
    const Table windows(set + "/SPECTRAL_WINDOW");
    const ArrayColumn<Double> frequencies(windows, "CHAN_FREQ");
    for (rownr_t row = 0; row < windows.nrow(); row++)
      std::cout << "= band " << frequencies(row)(IPosition(1, 0)) << " " << frequencies(row).nelements() << "\n";
  } catch (const AipsError& error) {
    std::cerr << error.getMesg() << "\n";
    return 1;
  }
}
